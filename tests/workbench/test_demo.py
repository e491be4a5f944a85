"""The demo command on a miniature checkout: it says what it does, keeps what it made, and leaves nobody behind."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehrcommerce.workbench.supervisor import free_port
from tests.workbench import skeleton


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """Below a directory that only we may enter, as a home directory often is."""
    tmp_path.chmod(0o700)
    yield skeleton.build(tmp_path)
    state = tmp_path / ".demo" / "state.json"
    if state.exists():
        shutil.rmtree(json.loads(state.read_text()).get("place", ""), ignore_errors=True)


def pair_of_ports() -> int:
    """A free port whose neighbor is free as well."""
    return free_port(neighbors=1)


def place_of(checkout: Path) -> str:
    return str(json.loads((checkout / ".demo" / "state.json").read_text())["place"])


def test_starts_keeps_stops_and_leaves_nobody_behind(checkout: Path) -> None:
    port = str(pair_of_ports())
    demo = skeleton.start(checkout, "--port", port)
    said = skeleton.until_running(demo)
    assert "Migrating" in said
    assert f"http://127.0.0.1:{port}/admin/" in said
    assert "otpauth://" in said
    secrets = json.loads((checkout / ".demo" / "state.json").read_text())["secrets"]
    assert (checkout / ".demo" / "state.json").stat().st_mode & 0o777 == 0o600
    assert not any(secret in said for secret in secrets.values())

    second, _ = skeleton.start(checkout, "--port", port).communicate(timeout=20)
    assert "runs already" in second

    skeleton.kill_at_once(demo)
    assert skeleton.gone_within(str(checkout), 10) == []
    assert skeleton.gone_within(place_of(checkout), 10) == []

    again = skeleton.start(checkout, "--port", port)
    said = skeleton.until_running(again)
    assert "Migrating" not in said
    assert "Loading" not in said
    assert json.loads((checkout / ".demo" / "state.json").read_text())["secrets"] == secrets
    again.send_signal(signal.SIGTERM)
    rest, _ = again.communicate(timeout=20)
    assert (again.returncode, rest.split()) == (0, ["Stopping", "...", "Stopped."])
    assert skeleton.gone_within(str(checkout), 1) == []
    assert skeleton.gone_within(place_of(checkout), 1) == []


def test_reset_begins_anew(checkout: Path) -> None:
    (checkout / ".demo").mkdir()
    (checkout / ".demo" / "state.json").write_text(json.dumps({"secrets": {"old": "x"}, "loaded": {"schema": "old"}}))
    demo = skeleton.start(checkout, "--reset", "--check", "--port", str(pair_of_ports()))
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, said
    assert "Migrating" in said
    assert "ehrcommerce is running" in said
    assert "old" not in json.loads((checkout / ".demo" / "state.json").read_text())["secrets"]
    assert skeleton.gone_within(place_of(checkout), 1) == []


def test_published_charts_are_loaded_with_their_old_prescriptions_and_it_says_so(checkout: Path) -> None:
    said = [
        skeleton.start(checkout, *folder, "--check", "--port", str(pair_of_ports())).communicate(timeout=60)[0]
        for folder in ([], ["--fhir-data", "."])
    ]
    assert ["at any age now" in each for each in said] == [False, True]
    assert (checkout / "loaded.txt").read_text().splitlines() == ["one year", "any age"]


def test_other_commands_work_on_the_demo_while_it_runs(checkout: Path) -> None:
    (checkout / ".demo").mkdir()
    kept = {"EHRC_SECRET_KEY": "told", "DJANGO_SETTINGS_MODULE": "nowhere.at_all"}
    (checkout / ".demo" / "environment.json").write_text(json.dumps(kept))
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("EHRC_", "DJANGO_"))}

    def asked() -> str:
        command = [sys.executable, "manage.py", "check"]
        done = subprocess.run(command, cwd=checkout, env=bare, capture_output=True, text=True, check=False)
        return done.stderr

    with (checkout / ".demo" / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Settings: those of the running demo." in asked()
    assert "running demo." not in asked().replace("or from a running demo.", "")


def test_a_taken_port_is_one_sentence(checkout: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        demo = skeleton.start(checkout, "--port", str(port))
        said, _ = demo.communicate(timeout=20)
    assert demo.returncode == 1
    assert said == (
        f"Port {port} is in use by another program: choose another one with --port, or stop that program.\n"
    )


def test_a_process_that_dies_is_named_with_its_last_words(checkout: Path) -> None:
    sweeper = checkout / "ehrcommerce" / "workbench" / "management" / "commands" / "sweeper.py"
    text = sweeper.read_text()
    sweeper.write_text(text.replace("time.sleep(600)", 'time.sleep(1); raise SystemExit("out of brooms")'))
    demo = skeleton.start(checkout, "--port", str(pair_of_ports()))
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "sweeper ended with exit code 1" in said
    assert "out of brooms" in said
    assert "Traceback" not in said
    assert skeleton.gone_within(place_of(checkout), 1) == []
