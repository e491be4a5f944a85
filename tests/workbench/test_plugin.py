"""What the plugin gives each run: closed doors, a browser, and a word about tests that wait for the night."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ehrcommerce.workbench import browser, loopback
from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.fixtures import STACK

INNER = """
import os, pytest
def test_day():
    assert "ehrc_tests_" in os.environ["DATABASE_OWNER_URL"]
@pytest.mark.nightly
def test_night():
    pass
"""


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "2001:db8::1", b"example.com"])
def test_no_socket_leaves_this_machine(host: str | bytes) -> None:
    with pytest.raises(loopback.OutsideWorld, match="Tests speak with this machine alone"):
        socket.create_connection((host, 80), timeout=1)  # type: ignore[arg-type]


def test_not_even_a_datagram_or_a_look_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, pytest.raises(loopback.OutsideWorld):
        line.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(loopback.OutsideWorld):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(loopback.OutsideWorld):
        socket.gethostbyname("example.com")


def test_this_machine_may_be_spoken_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5):
            pass
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            pass
    assert loopback.is_loopback("::1")
    assert not loopback.is_loopback("10.0.0.1")


def test_given_servers_are_used_and_nightly_tests_are_counted(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The same command with DATABASE_URL and REDIS_URL: nothing is started, left behind or silent."""
    mine = pytestconfig.stash[STACK]
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = nightly: later\n")
    before = set(mine.postgres.databases())
    surroundings = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    servers = {"DATABASE_URL": mine.postgres.superuser_url, "REDIS_URL": mine.redis_url}
    command = [sys.executable, "-m", "pytest", "-p", "ehrcommerce.workbench.pytest_plugin", "-p", "no:django"]
    command += ["-c", str(tmp_path / "pytest.ini"), str(tmp_path)]
    env = {**surroundings, **servers, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "given by DATABASE_URL" in done.stdout
    assert "given by REDIS_URL" in done.stdout
    assert "1 passed, 1 deselected" in done.stdout
    assert "1 tests are left for the night: python3 manage.py test --nightly" in done.stdout
    assert set(mine.postgres.databases()) == before
    mine.site("tests").make_roles()  # that run gave the roles its own passwords


def test_the_browser_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    monkeypatch.setenv("EHRC_CHROMIUM", str(program))
    with pytest.raises(browser.NoBrowser, match="EHRC_CHROMIUM"):
        browser.find()
    program.touch(mode=0o755)
    assert browser.find() == program


def test_without_any_browser_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("find", "by_playwright", "by_npm", "by_apt"):
        monkeypatch.setattr(browser, way, lambda: None)
    with pytest.raises(browser.NoBrowser, match="install one"):
        browser.find_or_fetch()


def test_another_build_than_the_reviewed_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def pack(command: list[str], *, timeout_s: float = 0, cwd: Path = tmp_path) -> bool:
        (cwd / "chromium.tgz").write_bytes(b"something else")
        return True

    monkeypatch.setattr(browser, "HOME", tmp_path / "chromium")
    monkeypatch.setattr(browser, "succeeds", pack)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="x86_64"))
    assert browser.by_npm() is None
    assert "another hash" in capsys.readouterr().err
    assert not (tmp_path / "chromium").exists()


def test_chromium_starts_and_reaches_only_this_machine(browser_path: Path) -> None:
    said = subprocess.run([str(browser_path), "--version"], capture_output=True, text=True, check=True, timeout=30)
    assert re.search(r"\d+\.\d+", said.stdout)
    assert any("NOTFOUND" in flag for flag in browser.flags())
