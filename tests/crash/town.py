"""A whole system under fire: two web processes, two workers, two sweepers, which die and come back at once (see again.py);
and the partners' site, which never dies, so that its journals can be believed."""

import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.site import Site, surroundings
from ehrcommerce.workbench.stack import Stack
from ehrcommerce.workbench.supervisor import Spec, Supervisor, answers
from tests.crash.again import LOGS, PIDS
from tests.crash.books import Books
from tests.crash.inside.arming import HAND, PAUSED, PLACE, USUAL
from tests.crash.proxy import Proxy

SETTINGS = "tests.crash.settings"
READY_S = 240.0
PARENTS = ("sandbox", "house", "workers")
MIGRATED, SANDBOX_UP, LOADED = "migrated", "sandbox-up", "loaded"
APP = ("web", "worker", "worker2", "sweeper", "sweeper2")
HANDS = ("worker", "worker2", "sweeper", "sweeper2")
# What is open is looked at again when these tests are long over.
PUT_OFF = (
    "UPDATE outbox_effect SET next_run_at = now() + interval '1 year' WHERE state IN ('planned', 'sending', 'unknown')"
    " RETURNING id"
)


@dataclass
class FireSite(Site):
    """The usual site, each hand twice, told where the harness speaks with it, and behind two wires that may lie: the
    sandbox's port is the wire's, and so is that of the database for whatever runs on."""

    place: Path = field(default_factory=Path)
    log_place: Path = field(default_factory=Path)
    inner_port: int = 0

    def __post_init__(self) -> None:
        self.inner_port, self._wires = self.sandbox_port, ExitStack()
        self.partner_wire = self._wires.enter_context(Proxy(("127.0.0.1", self.inner_port)))
        self.sandbox_port = self.partner_wire.port
        parts = urlsplit(self.postgres.superuser_url)
        self.database_wire = self._wires.enter_context(Proxy((parts.hostname or "127.0.0.1", parts.port or 5432)))

    def close(self) -> None:
        self._wires.close()

    def behind_wire(self, url: str) -> str:
        """The same database, as those see it who are under fire."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.database_wire.port}"))

    def process(self, name: str) -> Spec:
        """`sandbox`, `house` (web and sweepers) or `workers`: each loads its program once and forks what works."""
        if name == "sandbox":
            return self._parent(name, self._sandbox_steps(), self.sandbox_environment(), f"{self.sandbox_url}/healthz")
        env = {**self.app_environment(), PLACE: str(self.place), HAND: "1"}
        env["DATABASE_URL"] = self.behind_wire(env["DATABASE_URL"])
        if name == "workers":
            return self._parent(name, self._worker_steps(), env, self.worker_listens)
        return self._parent(name, self._house_steps(), env, self._house_is_ready)

    def _parent(self, name: str, steps: list[Any], env: dict[str, str], ready: str | Callable[[], bool]) -> Spec:
        settings = "ehrcommerce.sandbox.settings" if name == "sandbox" else SETTINGS
        argv = [sys.executable, "-m", "tests.crash.again", settings, json.dumps(steps)]
        env = {**surroundings(), **env, LOGS: str(self.log_place), PIDS: str(self.place / "pids")}
        return Spec(name, argv, env, ready, cwd=ROOT)

    def _sandbox_steps(self) -> list[Any]:
        program = ["-m", "ehrcommerce.sandbox"]
        return [
            ["run", "sandbox-migrate", [*program, "migrate"]], ["run", "sandbox-load", [*program, "load"]],
            ["keep", "sandbox", [*program, "serve", "--host", "127.0.0.1", "--port", str(self.inner_port)]],
        ]  # fmt: skip

    def _house_steps(self) -> list[Any]:
        web = [*super().process("web").argv[1:], "--preload"]  # a worker process that dies comes back by a fork
        sweeper = super().process("sweeper").argv[1:]
        return [
            ["run", "migrate", ["manage.py", "migrate", "--no-input"]], ["touch", str(self.place / MIGRATED)],
            ["keep", "web", web], ["keep", "sweeper", sweeper], ["keep", "sweeper2", sweeper],
            ["wait", str(self.place / SANDBOX_UP)], ["run", "load_demo", ["manage.py", "load_demo"]],
            ["run", "rows", ["-m", "tests.crash.inside.rows"]], ["touch", str(self.place / LOADED)],
        ]  # fmt: skip

    def _worker_steps(self) -> list[Any]:
        worker = super().process("worker").argv[1:]
        named = [["keep", name, [*worker, "-n", f"{name}@%h"]] for name in ("worker", "worker2")]
        return [["wait", str(self.place / MIGRATED)], *named]

    def _house_is_ready(self) -> bool:
        return (self.place / LOADED).exists() and answers(f"{self.app_url}/healthz")


class Town(Live):
    """A Live that bleeds."""

    def __init__(self, stack: Stack) -> None:
        place = Path(stack.place) / f"fire-{secrets.token_hex(3)}"
        for name in ("armed", "fired", "pids"):
            (place / name).mkdir(parents=True)
        mine = stack.own_redis(f"fire-{place.name}")
        plain = stack.site("fire", settings=SETTINGS, redis_url=mine.url)
        site = FireSite(**{**vars(plain), "place": place, "log_place": stack.logs("fire")})
        super().__init__(site, Supervisor(stack.logs("fire")), mine)
        self.site: FireSite = site
        self.place = place
        self.ours, self.theirs = Books(self.owner_url), Books(self.sandbox_database_url)

    def begin(self) -> None:
        """Side by side what does not wait for the other: most of it is Python that is loaded."""
        self.site.make_database()
        self.site.make_sandbox_database()
        for name in PARENTS:
            self.supervisor.spawn(self.site.process(name))
        self.supervisor.wait_ready("sandbox", timeout_s=READY_S)
        (self.place / SANDBOX_UP).touch()
        for name in PARENTS:
            self.supervisor.wait_ready(name, timeout_s=READY_S)
        self.names = PARENTS

    def end(self) -> None:
        self.ours.close()
        self.theirs.close()
        for name in PARENTS:
            if name in self.supervisor.children:
                self.supervisor.children[name].kill()  # nobody is asked to end politely who has died all the time
        super().end()
        self.site.close()

    def pid(self, name: str) -> int:
        """Of the one who bears this name just now."""
        return int((self.place / "pids" / f"{name}.pid").read_text())

    def signal(self, name: str, number: int) -> None:
        """To the one who bears this name, and to what it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid(name), number)

    # ------------------------------------------------------------------------------------------------------- the fire
    def arm(self, points: Mapping[str, int]) -> None:
        """The n-th process that comes by dies there."""
        for name, number in points.items():
            (self.place / "armed" / f"{name}@{number}").write_text("")

    def waiting(self) -> list[str]:
        """What nobody has come by yet."""
        return [path.name.rpartition("@")[0] for path in (self.place / "armed").iterdir()]

    def disarm(self) -> list[str]:
        """What nobody came by."""
        left = []
        for path in (self.place / "armed").iterdir():
            left.append(path.name.rpartition("@")[0])
            path.unlink(missing_ok=True)
        return left

    def fired(self) -> dict[str, dict[str, str | float]]:
        found = {}
        for path in (self.place / "fired").glob("*.json"):
            facts = json.loads(path.read_text())
            found[str(facts["name"])] = facts
        return found

    def kills(self) -> int:
        return len(list((self.place / "fired").glob("*.taken")))

    def forget(self) -> None:
        """Before another round."""
        for path in (self.place / "fired").iterdir():
            path.unlink()

    def reached(self) -> set[str]:
        log = self.place / "reached.log"
        return set(log.read_text().split()) if log.exists() else set()

    def bugs(self, on: Mapping[str, Iterable[str]]) -> None:
        """Which mistake is made for which subjects, from now on."""
        new = self.place / "bugs.new"
        new.write_text(json.dumps({name: list(subjects) for name, subjects in on.items()}))
        os.replace(new, self.place / "bugs.json")
        time.sleep(0.05)  # the next write must have another time

    def pause(self) -> None:
        """Workers and sweepers begin nothing new; what is in hand ends. (Frozen, one may hold a row that a page needs.)"""
        (self.place / PAUSED).touch()

    def resume(self) -> None:
        (self.place / PAUSED).unlink(missing_ok=True)

    def usual(self, on: bool) -> None:
        """Sweepers wait for the doorbell as they do in life."""
        (self.place / USUAL).touch() if on else (self.place / USUAL).unlink(missing_ok=True)

    def early_bells(self) -> set[str]:
        """Effects whose bell rang before their row was committed."""
        log = self.place / "rang.log"
        return set(log.read_text().split()) if log.exists() else set()

    def rounds(self) -> int:
        """How often sweepers have looked, both together."""
        log = self.place / "rounds.log"
        return log.stat().st_size if log.exists() else 0

    def calm(self) -> None:
        """As a test finds it, whatever the one before has left: nothing armed, no mistake, no lie on a wire, everybody
        up, and nobody at work on what an earlier test did not bring to its end."""
        self.disarm()
        self.forget()
        self.bugs({})
        self.resume()
        self.usual(False)
        for wire in (self.site.partner_wire, self.site.database_wire):
            wire.faults.clear()
        if self.redis.child is not None and not self.redis.child.running:
            self.redis.start()
        elif self.redis.child is not None:
            self.redis.child.signal(signal.SIGCONT)
        for name in APP:
            self.signal(name, signal.SIGCONT)
        self.ours.rows(PUT_OFF)

    def logs(self) -> str:
        return "\n".join(self.log(name) for name in APP)
