"""A running system in the hands of a test: real processes on free ports, to be stopped, killed and started again."""

import signal
from pathlib import Path

from django.db import connections

from ehrcommerce.workbench.services import Postgres, Redis
from ehrcommerce.workbench.site import ALL, Site
from ehrcommerce.workbench.supervisor import Supervisor

OURS = tuple(name for name in ALL if name != "sandbox")


class Live:
    """What tests see. `names` of processes: web, worker, sweeper, sandbox."""

    def __init__(self, site: Site, supervisor: Supervisor, redis: Redis) -> None:
        self.site, self.supervisor, self.redis = site, supervisor, redis
        self.admin: dict[str, str] = {}
        self.names: tuple[str, ...] = ()  # what should be running

    # ------------------------------------------------------------------------------------------------- addresses
    @property
    def app_url(self) -> str:
        return self.site.app_url

    @property
    def sandbox_url(self) -> str:
        return self.site.sandbox_url

    @property
    def control_token(self) -> str:
        return self.site.control_token

    @property
    def database_url(self) -> str:
        """The app's own login: row-level security holds it."""
        return self.site.database_url

    @property
    def owner_url(self) -> str:
        """The owner's login, for looking at rows from outside."""
        return self.site.app_environment()["DATABASE_OWNER_URL"]

    @property
    def sandbox_database_url(self) -> str:
        return self.site.sandbox_environment()["SANDBOX_DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        return self.redis.url

    # ------------------------------------------------------------------------------------------------- processes
    def begin(self) -> None:
        """Make, migrate and load the databases, and start everything."""
        self.prepare()
        self.begin_ours()

    def prepare(self) -> None:
        """Make, migrate and load the databases, and start the other site."""
        self.site.make_database()
        self.supervisor.run(self.site.command("migrate", "migrate", "--no-input"))
        self.begin_sandbox()
        self.admin = self.site.load_demo(self.supervisor)

    def begin_ours(self) -> None:
        """Web, worker and sweeper."""
        self.supervisor.start(*(self.site.process(name) for name in OURS))
        self.names = ALL

    def begin_sandbox(self) -> None:
        """The other site alone."""
        self.site.make_sandbox_database()
        self.supervisor.run(self.site.sandbox_command("sandbox-migrate", "migrate"))
        self.site.load_sandbox(self.supervisor)
        self.supervisor.start(self.site.process("sandbox"))
        self.names = ("sandbox",)

    def heal(self, *, ours: bool = True) -> None:
        """Bring back whatever a test stopped, killed or froze, so that the next one meets a whole system; or, for a test
        that starts web, worker and sweeper itself, only what those three stand on."""
        if self.redis.child is not None and not self.redis.child.running:
            self.redis.start()
        for name in self.names:
            if name in OURS and not ours:
                continue
            child = self.supervisor.children.get(name)
            if child is not None and not child.running:
                self.stop(name)
            elif child is not None:
                child.signal(signal.SIGCONT)
            self.start(name)

    def start(self, name: str) -> None:
        """Start and wait until ready; nothing happens when it runs."""
        if name not in self.supervisor.children:
            self.supervisor.start(self.site.process(name))

    def stop(self, name: str) -> None:
        """Politely: what it is doing it finishes."""
        if name in self.supervisor.children:
            self.supervisor.stop(name)

    def kill(self, name: str) -> None:
        """As kill -9 does, the whole process group."""
        self.supervisor.kill(name)

    def signal(self, name: str, number: int) -> None:
        """To the whole process group, e.g. SIGSTOP and SIGCONT."""
        self.supervisor.children[name].signal(number)

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def pid(self, name: str) -> int:
        return self.supervisor.children[name].pid

    def log(self, name: str) -> str:
        """All that a process or command has said so far."""
        path = self.log_path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def log_path(self, name: str) -> Path:
        return self.supervisor.logs / f"{name}.log"

    def run(self, *words: str) -> str:
        """A management command of the app against this system; what it said."""
        (said,) = self.supervisor.run(self.site.command(f"command-{words[0]}", *words))
        return said

    # --------------------------------------------------------------------------------------------------- servers
    @property
    def postgres(self) -> Postgres:
        return self.site.postgres

    def redis_stop(self) -> None:
        self.redis.stop()

    def redis_start(self) -> None:
        """Comes back empty, as a Redis may at any moment."""
        self.redis.start()

    def postgres_restart(self) -> None:
        """Every open transaction is lost. A server that was given to us only loses its connections to us."""
        if self.postgres.child is None:
            self.postgres.end_connections(self.site.database, self.site.sandbox_database)
        else:
            self.postgres.restart()
        connections.close_all()  # this process had some as well

    def end(self) -> None:
        self.supervisor.stop_all()
