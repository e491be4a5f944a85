"""A whole system under fire: two web processes, two workers, two sweepers, which die and are started again by a nurse;
and the partners' site, which never dies, so that its journals can be believed."""

import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ehrcommerce.workbench.live import Live
from ehrcommerce.workbench.site import Site, surroundings
from ehrcommerce.workbench.stack import Stack
from ehrcommerce.workbench.supervisor import Spec, Supervisor
from tests.crash.inside.arming import PLACE
from tests.crash.proxy import Proxy

SETTINGS = "tests.crash.settings"
APP = ("web", "worker", "worker2", "sweeper", "sweeper2")
HANDS = ("worker", "worker2", "sweeper", "sweeper2")


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
        self.restarts = 0
        self._nurse: threading.Thread | None = None
        self._rest = threading.Event()
        self._care = threading.Lock()

    def begin(self) -> None:
        self.site.make_database()
        self.supervisor.run(self.site.command("migrate", "migrate", "--no-input"))
        self.begin_sandbox()
        self.admin = self.site.load_demo(self.supervisor)
        self.supervisor.start(*(self.site.process(name) for name in APP))
        self.names = (*self.names, *APP)
        self._nurse = threading.Thread(target=self._look_after, name="nurse", daemon=True)
        self._nurse.start()

    def end(self) -> None:
        self._rest.set()
        if self._nurse is not None:
            self._nurse.join(10)
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
                        self.restarts += 1

    # ------------------------------------------------------------------------------------------------------- the fire
    def arm(self, points: Mapping[str, int]) -> None:
        """The n-th process that comes by dies there."""
        for name, number in points.items():
            (self.place / "armed" / f"{name}@{number}").write_text("")

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

    def hands(self, number: int) -> None:
        """SIGSTOP or SIGCONT to workers and sweepers."""
        for name in HANDS:
            self.signal(name, number)

    def logs(self) -> str:
        return "\n".join(self.log(name) for name in APP)
