"""A whole system under fire: two web processes, two workers, two sweepers, which die and are started again by a nurse;
and the partners' site, which never dies, so that its journals can be believed."""

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.site import Site, surroundings
from ehrcommerce.workbench.stack import Stack
from ehrcommerce.workbench.supervisor import Spec, Supervisor
from tests.crash.inside.arming import HAND, PAUSED, PLACE
from tests.crash.proxy import Proxy

SETTINGS = "tests.crash.settings"
READY_S = 240.0
APP = ("web", "worker", "worker2", "sweeper", "sweeper2")
HANDS = ("worker", "worker2", "sweeper", "sweeper2")
# What is open is looked at again when these tests are long over.
PUT_OFF = (
    "UPDATE outbox_effect SET next_run_at = now() + interval '1 year' WHERE state IN ('planned', 'sending', 'unknown')"
)


@dataclass
class FireSite(Site):
    """The usual site, each hand twice, told where the harness speaks with it, and behind two wires that may lie: the
    sandbox's port is the wire's, and so is that of the database for whatever runs on."""

    place: Path = field(default_factory=Path)
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
        spec = super().process(name.rstrip("2"))
        if name == "sandbox":
            argv = [str(self.inner_port) if word == str(self.sandbox_port) else word for word in spec.argv]
            return Spec(name, argv, spec.env, spec.ready, cwd=spec.cwd)
        argv = [*spec.argv, "-n", f"{name}@%h"] if name.startswith("worker") else [*spec.argv]
        env = {**spec.env, "DATABASE_URL": self.behind_wire(spec.env["DATABASE_URL"])}
        if name in HANDS:
            argv, env = [argv[0], "-m", "tests.crash.again", *argv[1:]], {**env, HAND: "1"}
        elif name == "web":
            argv.append("--preload")  # a worker process that dies comes back by a fork
        return Spec(name, argv, env, spec.ready, cwd=spec.cwd)

    def _app(self, name: str, argv: list[str], *, ready: str | None = None) -> Spec:
        env = {**surroundings(), **self.app_environment(), PLACE: str(self.place)}
        return Spec(name, argv, env, ready, cwd=Path(env["PYTHONPATH"]))


class Town(Live):
    """A Live that bleeds."""

    def __init__(self, stack: Stack) -> None:
        place = Path(stack.place) / f"fire-{secrets.token_hex(3)}"
        for name in ("armed", "fired"):
            (place / name).mkdir(parents=True)
        mine = stack.own_redis(f"fire-{place.name}")
        plain = stack.site("fire", settings=SETTINGS, redis_url=mine.url)
        site = FireSite(**{**vars(plain), "place": place})
        super().__init__(site, Supervisor(stack.logs("fire")), mine)
        self.site: FireSite = site
        self.place = place
        self._nurse: threading.Thread | None = None
        self._rest = threading.Event()
        self._care = threading.Lock()

    def begin(self) -> None:
        """Side by side what does not wait for the other: most of it is Python that is loaded."""
        self.site.make_database()
        self.site.make_sandbox_database()
        self.site.migrate(self.supervisor)
        for name in APP:
            self.supervisor.spawn(self.site.process(name))
        self.site.load_sandbox(self.supervisor)
        self.supervisor.start(self.site.process("sandbox"), timeout_s=READY_S)
        self.admin = self.site.load_demo(self.supervisor)
        for name in APP:
            self.supervisor.wait_ready(name, timeout_s=READY_S)
        self.names = ("sandbox", *APP)
        self._nurse = threading.Thread(target=self._look_after, name="nurse", daemon=True)
        self._nurse.start()

    def end(self) -> None:
        self._rest.set()
        if self._nurse is not None:
            self._nurse.join(10)
        for name in APP:
            if name in self.supervisor.children:
                self.supervisor.children[name].kill()  # nobody is asked to end politely who has died all the time
        super().end()
        self.site.close()

    # ------------------------------------------------------------------------------------------------------ the nurse
    def _look_after(self) -> None:
        """Whatever died is started again, as systemd would."""
        while not self._rest.wait(0.2):
            for name in APP:
                child = self.supervisor.children.get(name)
                if child is not None and not child.running:
                    with self._care:
                        child.kill()
                        self.supervisor.spawn(self.site.process(name))

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
        for wire in (self.site.partner_wire, self.site.database_wire):
            wire.faults.clear()
        if self.redis.child is not None and not self.redis.child.running:
            self.redis.start()
        elif self.redis.child is not None:
            self.redis.child.signal(signal.SIGCONT)
        for name in APP:
            self.supervisor.children[name].signal(signal.SIGCONT)
        with psycopg.connect(self.owner_url, autocommit=True) as clerk:
            clerk.execute(PUT_OFF)

    def logs(self) -> str:
        return "\n".join(self.log(name) for name in APP)
