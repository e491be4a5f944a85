"""What the parts stand on: PostgreSQL and Redis of this run alone, on free ports, that wait for the disk as in production;
the app, the sandbox and the reference as processes; clocks of CPU and memory. Gone when the run is gone."""

import os
import secrets
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from ehrcommerce.workbench import binaries
from ehrcommerce.workbench.environment import say
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.services import Postgres, Redis, start_postgres, start_redis
from ehrcommerce.workbench.site import BYTECODE, Site, new_secrets
from ehrcommerce.workbench.supervisor import Spec, Supervisor, free_port

# A hundred launches a second come from one address here; and statements are counted by the server itself.
MORE = {"EHRC_LAUNCHES_A_MINUTE": "100000", "EHRC_LINKS_A_MINUTE": "100000"}
STATEMENTS = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=all", "compute_query_id=on")
QUICK_SECONDS = 60


@dataclass
class BenchSite(Site):
    """A site whose processes may be told more than those of the demo."""

    more: dict[str, str] = field(default_factory=dict)

    def app_environment(self) -> dict[str, str]:
        return {**super().app_environment(), **MORE, **self.more}


@dataclass
class Bench:
    """One run. Whatever a part asks for is made when it is first asked for, and ends with the run."""

    rounds: int = 5
    large: bool = False
    seconds: int = QUICK_SECONDS  # of each load
    place: Path = Path()
    secrets: dict[str, str] = field(default_factory=new_secrets)
    cleanup: ExitStack = field(default_factory=ExitStack)
    _systems: dict[str, Live] = field(default_factory=dict)

    def __enter__(self) -> "Bench":
        self.place = binaries.open_directory(binaries.account())
        self.cleanup.callback(shutil.rmtree, self.place, ignore_errors=True)
        if BYTECODE not in os.environ:
            # Dozens of processes load the same thousand modules: compiled once, and gone afterwards.
            os.environ[BYTECODE] = str(self.place / "bytecode")
            self.cleanup.callback(os.environ.pop, BYTECODE, None)
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup.close()

    # ------------------------------------------------------------------------------------------------- servers
    @cached_property
    def postgres(self) -> Postgres:
        """It waits for the disk at each commit, as a server does that somebody trusts."""
        say("  starting PostgreSQL ...")
        made = start_postgres(
            self.place / "pg", throwaway=False, password=self.secrets["password:superuser"],
            log=self.place / "postgres.log", more=STATEMENTS,
        )  # fmt: skip
        self.cleanup.callback(made.stop)
        return made

    def redis(self, kind: str) -> Redis:
        """One of its own for each system: the queues of two must not meet."""
        made = start_redis(self.place, password=secrets.token_urlsafe(24), log=self.place / f"redis-{kind}.log")
        self.cleanup.callback(made.stop)
        return made

    # ------------------------------------------------------------------------------------------------- systems
    @property
    def live(self) -> Live:
        """The whole system: web, worker, sweeper and sandbox, with the demo's clinic."""
        system = self.prepared("main")
        if not system.supervisor.children.get("web"):
            say("  starting web, worker and sweeper ...")
            system.begin_ours()
        return system

    def prepared(self, kind: str, **more: str) -> Live:
        """Databases named after `kind`, migrated and loaded, and the sandbox; no process of ours runs. `more` goes into
        the environment of the app."""
        if kind not in self._systems:
            postgres = self.postgres
            say(f"  making the databases of '{kind}' and loading the demo's clinic ...")
            redis = self.redis(kind)
            site = BenchSite(
                postgres, redis.url, self.secrets, free_port(), free_port(), database=f"ehrc_{kind}",
                sandbox_database=f"sandbox_{kind}", step_s=0, more=more,
            )  # fmt: skip
            site.make_roles()
            system = Live(site, Supervisor(self.place / f"logs-{kind}"), redis)
            self.cleanup.callback(system.end)
            self._systems[kind] = system
            system.prepare()
        return self._systems[kind]

    def supervisor(self, kind: str) -> Supervisor:
        """For processes beside the systems: references, a fake EHR."""
        made = Supervisor(self.place / f"logs-{kind}")
        self.cleanup.callback(made.stop_all)
        return made

    def start(self, kind: str, *specs: Spec) -> Supervisor:
        made = self.supervisor(kind)
        made.start(*specs)
        return made

    # --------------------------------------------------------------------------------------------------- words
    def say(self, line: str) -> None:
        """Progress, for whoever waits."""
        say(f"  {line}")

    def versions(self) -> dict[str, str]:
        number = self.postgres.version().partition(" ")[2]
        return {"PostgreSQL": number, **{name: version(name) for name in ("Django", "celery", "gunicorn", "psycopg")}}

    @staticmethod
    def load_average() -> float:
        return os.getloadavg()[0]

    @staticmethod
    def now() -> float:
        return time.monotonic()
