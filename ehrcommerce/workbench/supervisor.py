"""Starts the processes of the demo and of the tests, waits until each answers, and stops them in order.

Each child runs under a keeper (see there), so killing this process in any way stops all of them. What a child says
goes to its log file; a child that dies is named together with the last lines of that file.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")
PATIENCE_S = 10.0
LAST_LINES = 20


class ChildFailed(RuntimeError):
    """A process did not start or ended by itself. The last lines of its log say why."""


class PortTaken(RuntimeError):
    """The port is in use by another program. Choose another one with --port, or stop that program."""


@dataclass(frozen=True)
class Spec:
    """One process: how to start it, and how to see that it is ready (a URL that answers 200, or a question)."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ready: str | Callable[[], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    cwd: Path | None = None
    stdin: bytes | None = None
    patience_s: float = PATIENCE_S


class Child:
    """A running Spec. `pid` is the server itself, the leader of its own process group."""

    def __init__(self, spec: Spec, log: Path) -> None:
        self.spec, self.log = spec, log
        self.line, theirs = socket.socketpair()
        with log.open("ab") as output, theirs:
            self.keeper = subprocess.Popen(
                keeper_command(spec, theirs.fileno()),
                stdin=subprocess.DEVNULL if spec.stdin is None else subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(spec.env),
                cwd=spec.cwd,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.pid = 0
        with ExitStack() as undo:
            undo.callback(self.stop)  # when somebody interrupts us here, nobody knows of this child yet
            self.line.settimeout(PATIENCE_S)
            self.pid = int(self.line.recv(32) or b"0")
            undo.pop_all()
        if spec.stdin is not None and self.keeper.stdin is not None:
            self.keeper.stdin.write(spec.stdin)
            self.keeper.stdin.close()

    @property
    def running(self) -> bool:
        return self.keeper.poll() is None

    def signal(self, number: int) -> None:
        """To the whole group of the child, while it lives."""
        if self.running and self.pid:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return

    def ask_to_stop(self) -> None:
        self.line.close()

    def wait(self, timeout_s: float) -> None:
        self.keeper.wait(timeout_s)
        self.line.close()

    def stop(self) -> None:
        """Politely; the keeper uses force after its patience is spent."""
        self.ask_to_stop()
        self.wait(self.spec.patience_s + 5)

    def kill(self) -> None:
        """As kill -9 does: no last words."""
        self.signal(signal.SIGKILL)
        self.wait(5)

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])


def keeper_command(spec: Spec, line: int) -> list[str]:
    user, group = spec.user or (0, 0)
    options = ["--line", line, "--stop-signal", int(spec.stop_signal), "--patience-s", spec.patience_s]
    options += ["--user", user, "--group", group]
    return [sys.executable, "-I", "-S", str(KEEPER), *map(str, options), "--", *spec.argv]


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 right now. Loopback only, and never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port(*, neighbors: int = 0) -> int:
    """A port that nobody has, and as many above it. Taken from below the range that systems give to outgoing
    connections: a server that is stopped and started again must find its port where it was."""
    for _ in range(200):
        port = random.randrange(15_000, 32_000)
        if all(_is_free(each) for each in range(port, port + neighbors + 1)):
            return port
    raise PortTaken("No free port was found between 15000 and 32000 on this machine.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def claim_port(port: int) -> None:
    """Raises PortTaken when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise PortTaken(
                f"Port {port} is in use by another program: choose another one with --port, or stop that program."
            ) from problem


@dataclass
class Supervisor:
    """Children by name, stopped in the reverse order of their start."""

    logs: Path
    children: dict[str, Child] = field(default_factory=dict)
    spectated: list[Child] = field(default_factory=list)
    specs: dict[str, Spec] = field(default_factory=dict)

    def spawn(self, spec: Spec) -> Child:
        """Start without waiting."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.specs[spec.name] = spec
        child = self.children[spec.name] = Child(spec, self.logs / f"{spec.name}.log")
        return child

    def start(self, *specs: Spec, timeout_s: float = 60) -> None:
        """Start all, then wait until all are ready."""
        for spec in specs:
            self.spawn(spec)
        for spec in specs:
            self.wait_ready(spec.name, timeout_s=timeout_s)

    def wait_ready(self, name: str, *, timeout_s: float = 60) -> None:
        child, deadline = self.children[name], time.monotonic() + timeout_s
        while not is_ready(child.spec):
            if not child.running:
                raise ChildFailed(obituary(child))
            if time.monotonic() > deadline:
                raise ChildFailed(f"{name} did not answer within {timeout_s:.0f} s. {last_words(child)}")
            time.sleep(0.05)

    def run(self, *specs: Spec, timeout_s: float = 300) -> list[str]:
        """Run commands side by side to their end; what each one said. Raises ChildFailed at the first failure."""
        began = {spec.name: log_size(self.logs / f"{spec.name}.log") for spec in specs}
        running = [self.spawn(spec) for spec in specs]
        deadline = time.monotonic() + timeout_s
        try:
            for child in running:
                succeed(child, deadline=deadline)
        finally:
            for spec in specs:
                self.stop(spec.name)
        return [child.log.read_bytes()[began[child.spec.name] :].decode(errors="replace") for child in running]

    def dead(self) -> Child | None:
        return next((child for child in (*self.spectated, *self.children.values()) if not child.running), None)

    def spectate(self, child: Child) -> None:
        """Watch one that somebody else stops (the database servers)."""
        self.spectated.append(child)

    def watch(self, *, every_s: float = 0.5, until: Callable[[], bool] = lambda: False) -> None:
        """Stay until told to go; raises ChildFailed when one of the children ends by itself."""
        while not until():
            gone = self.dead()
            if gone is not None:
                raise ChildFailed(obituary(gone))
            time.sleep(every_s)

    def stop(self, name: str) -> None:
        self.children.pop(name).stop()

    def kill(self, name: str) -> None:
        self.children.pop(name).kill()

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(self.specs[name])

    def stop_all(self) -> None:
        """The last one started goes first, and is gone before the one that it stands on is asked to stop."""
        while self.children:
            _, child = self.children.popitem()
            child.stop()


def succeed(child: Child, *, deadline: float) -> None:
    """Wait for a command to end well."""
    try:
        child.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired as problem:
        raise ChildFailed(f"{child.spec.name} took too long. {last_words(child)}") from problem
    if child.keeper.returncode != 0:
        raise ChildFailed(obituary(child))


def log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def is_ready(spec: Spec) -> bool:
    if spec.ready is None:
        return True
    return answers(spec.ready) if isinstance(spec.ready, str) else spec.ready()


def obituary(child: Child) -> str:
    return f"{child.spec.name} ended with exit code {child.keeper.returncode}. {last_words(child)}"


def last_words(child: Child) -> str:
    return f"Its last lines ({child.log}):\n{child.last_lines()}"
