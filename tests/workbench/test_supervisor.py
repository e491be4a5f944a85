"""Processes under their keepers: whoever dies, and however, nobody is left."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrcommerce.workbench.supervisor import ChildFailed, PortTaken, Spec, Supervisor, answers, claim_port, free_port
from tests.workbench.skeleton import gone_within, processes_of

# A server with a child in its own group and one that left it, as daemons do.
FAMILY = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleep)
subprocess.Popen(sleep, start_new_session=True)
print("here", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("no", flush=True)
time.sleep(600)
"""
LISTENING = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: print("heard", flush=True))
print("up", flush=True)
while True: time.sleep(1)
"""
SUPERVISING = """
import sys, time
from pathlib import Path
from ehrcommerce.workbench.supervisor import Spec, Supervisor
place = Path(sys.argv[1])
family = [sys.executable, "-c", (place / "family.py").read_text()]
ready = lambda: b"here" in (place / "family.log").read_bytes()
supervisor = Supervisor(place)
supervisor.start(Spec("family", family, {"MARK": str(place)}, ready))
print("up", flush=True)
time.sleep(600)
"""


def spec(tmp_path: Path, name: str, code: str, **more: object) -> Spec:
    return Spec(name, [sys.executable, "-c", code], {"MARK": str(tmp_path)}, **more)  # type: ignore[arg-type]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    mine = Supervisor(tmp_path)
    yield mine
    mine.stop_all()


def says(log: Path, word: str) -> bool:
    return log.exists() and word in log.read_text()


def test_kill_minus_nine_of_the_supervisor_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "family.py").write_text(FAMILY)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": os.getcwd()}
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == b"up\n"
    family = processes_of(str(tmp_path))
    supervisor.kill()
    supervisor.communicate()
    assert len(family) == 5  # supervisor, keeper, and a family of three
    assert gone_within(str(tmp_path), 5) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its keeper is gone")
def test_a_killed_keeper_takes_its_child_along(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.spawn(spec(tmp_path, "server", "import time; time.sleep(600)"))
    child.keeper.kill()
    child.wait(5)
    assert gone_within(str(tmp_path), 5) == []


def test_stop_is_polite_first_and_firm_after_its_patience(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"
    supervisor.start(spec(tmp_path, "stubborn", STUBBORN, ready=lambda: says(log, "no"), patience_s=0.5))
    began = time.monotonic()
    supervisor.stop_all()
    assert 0.4 < time.monotonic() - began < 3
    assert processes_of(str(tmp_path)) == []


def test_kill_reaches_the_whole_family_and_start_brings_it_back(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "family.log"
    family = spec(tmp_path, "family", FAMILY, ready=lambda: says(log, "here"))
    supervisor.start(family)
    supervisor.kill("family")
    assert gone_within(str(tmp_path), 2) == []
    log.unlink()
    supervisor.start(family)
    assert len(processes_of(str(tmp_path))) == 4
    supervisor.stop_all()
    assert gone_within(str(tmp_path), 2) == []


def test_one_that_ends_by_itself_is_named_with_its_last_lines(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"(?s)brief ended with exit code 3.*line 24\nline 25"):
        supervisor.start(
            spec(tmp_path, "brief", "for n in range(26): print('line', n)\nraise SystemExit(3)", ready=lambda: False)
        )


def test_commands_run_side_by_side_and_say_what_they_said(supervisor: Supervisor, tmp_path: Path) -> None:
    one, two = spec(tmp_path, "one", "print(1)"), spec(tmp_path, "two", "print(2)")
    assert supervisor.run(one, two) == ["1\n", "2\n"]
    assert supervisor.run(one) == ["1\n"]  # of this run, not of the log
    with pytest.raises(ChildFailed, match="bad ended with exit code 1"):
        supervisor.run(spec(tmp_path, "bad", "raise SystemExit(1)"))


def test_signals_reach_the_server(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    supervisor.start(spec(tmp_path, "server", LISTENING, ready=lambda: says(log, "up")))
    supervisor.children["server"].signal(signal.SIGUSR1)
    deadline = time.monotonic() + 5
    while not says(log, "heard") and time.monotonic() < deadline:
        time.sleep(0.02)
    supervisor.stop_all()
    assert says(log, "heard")


def test_a_program_that_is_not_there_says_so(supervisor: Supervisor) -> None:
    with pytest.raises(ChildFailed, match="No such file"):
        supervisor.run(Spec("absent", ["/nowhere/at-all"], {}))


def test_ports() -> None:
    port = free_port()
    claim_port(port)
    assert not answers(f"http://127.0.0.1:{port}/")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortTaken, match=f"Port {port} is in use"):
            claim_port(port)


def test_a_parent_with_a_thousand_open_files_can_still_start_and_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    """The keeper's line has the number that it has here, above what select() takes."""
    with (tmp_path / "open").open("w") as file:
        held = [os.dup(file.fileno()) for _ in range(1100)]
        try:
            (said,) = supervisor.run(spec(tmp_path, "late", "print('here')"))
            supervisor.start(spec(tmp_path, "stays", LISTENING))
            supervisor.stop_all()
        finally:
            for number in held:
                os.close(number)
    assert said == "here\n"
    assert gone_within(str(tmp_path), 2) == []
