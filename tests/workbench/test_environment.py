"""Which way the environment is made, and when it is left alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ehrcommerce.workbench import environment
from ehrcommerce.workbench.environment import CannotPrepare

ROOT = environment.ROOT


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """An environment in a temporary place, and a record of what would have been run."""
    (tmp_path / "bin").mkdir()
    for name, value in {"VENV": tmp_path, "PYTHON": tmp_path / "bin" / "python", "STAMP": tmp_path / "stamp"}.items():
        monkeypatch.setattr(environment, name, value)
    commands: list[list[str]] = []

    def record(command: list[str], *, extra: dict[str, str] | None = None) -> bool:
        commands.append(command)
        return False

    monkeypatch.setattr(environment, "run", record)
    return commands


def test_uv_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert [way.__name__ for _, way in environment.ways("demo")] == ["by_uv_on_path", "by_own_uv", "by_pip"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert [way.__name__ for _, way in environment.ways("demo")] == ["by_own_uv", "by_pip"]


def test_when_no_way_works_it_says_so(elsewhere: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CannotPrepare, match="python3-venv"):
        environment.prepare("demo")
    assert f"about {environment.GROUPS['demo']} MB" in capsys.readouterr().err
    assert not environment.STAMP.exists()


def test_sync_leaves_other_groups_in_place_and_names_this_python(elsewhere: list[list[str]]) -> None:
    environment.by_uv_on_path("test")
    (command,) = elsewhere
    assert command[:6] == ["uv", "sync", "--frozen", "--inexact", "--no-default-groups", "--group"]
    assert command[6] == "test"
    assert Path(command[-1]).exists()


def test_debian_without_venv_borrows_pip(elsewhere: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    environment.make_venv()
    assert "--without-pip" in elsewhere[0]
    environment.pip("install", "x")
    assert elsewhere[1][1:5] == ["-m", "pip", "--python", str(environment.PYTHON)]


def test_a_stamp_holds_for_its_lock_and_for_smaller_groups(elsewhere: list[list[str]]) -> None:
    assert not environment.is_complete("demo")
    environment.PYTHON.touch()
    environment.STAMP.write_text(json.dumps({"group": "test", "lock": environment.lock_hash()}))
    assert environment.is_complete("demo")
    assert environment.is_complete("test")
    assert not environment.is_complete("dev")
    environment.STAMP.write_text(json.dumps({"group": "test", "lock": "another"}))
    assert not environment.is_complete("demo")
    environment.STAMP.write_text("{")
    assert not environment.is_complete("demo")


def test_opting_out(elsewhere: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRC_NO_BOOTSTRAP", "1")
    environment.enter("demo", [])
    assert elsewhere == []


def test_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EHRC_GROUP", raising=False)
    assert (environment.group_for("demo"), environment.group_for("test")) == ("demo", "test")
    monkeypatch.setenv("EHRC_GROUP", "dev")
    assert environment.group_for("test") == "dev"
    monkeypatch.setenv("EHRC_GROUP", "all")
    with pytest.raises(CannotPrepare, match="EHRC_GROUP=all"):
        environment.group_for("test")


def asked_without_an_environment(word: str, place: Path, bare: list[str]) -> subprocess.CompletedProcess[str]:
    """manage.py alone in an empty folder: no `.venv`, no demo."""
    shutil.copy(ROOT / "manage.py", place / "manage.py")
    code = f"import sys; sys.argv = ['manage.py', '{word}']; sys.path.insert(0, '.'); import manage; manage.main()"
    return subprocess.run([*bare, code], cwd=place, capture_output=True, text=True, check=False)


def test_manage_needs_only_the_standard_library_until_then(tmp_path: Path) -> None:
    """-S and -I hide every installed package; whoever asks is told what to type first."""
    bare = [sys.executable, "-I", "-S", "-c"]
    for word, code, stream in (("migrate", 1, "stderr"), ("--help", 0, "stdout")):
        said = asked_without_an_environment(word, tmp_path, bare)
        assert said.returncode == code
        assert "manage.py demo" in getattr(said, stream)
    alone = "import sys; sys.path.insert(0, '.'); from ehrcommerce.workbench import environment, keeper"
    subprocess.run([*bare, alone], cwd=ROOT, check=True)


@pytest.mark.parametrize("group", ["demo", "test", "dev"])
def test_the_lists_for_pip_have_hashes_and_no_address(group: str) -> None:
    text = (ROOT / "ehrcommerce" / "workbench" / f"requirements-{group}.txt").read_text()
    wanted = [line for line in text.splitlines() if line and line[0].isalnum()]
    assert len(wanted) > 40
    assert all("==" in line and line.endswith("\\") for line in wanted)
    assert "://" not in text


def test_the_lists_for_pip_are_what_the_lock_says() -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(environment.VENV / "bin"))
    if uv is None:
        print("uv is not on this machine: the lists for pip were not compared with uv.lock.")
        return
    for group in environment.GROUPS:
        export = [uv, "export", "--no-config", "--frozen", "--no-default-groups", "--group", group, "--quiet"]
        export += ["--format", "requirements-txt", "--no-emit-project", "--no-header"]
        made = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        kept = (ROOT / "ehrcommerce" / "workbench" / f"requirements-{group}.txt").read_text()
        assert made == kept, f"requirements-{group}.txt is not the export of uv.lock"


def test_the_lock_names_no_place_of_one_machine() -> None:
    text = (ROOT / "uv.lock").read_text()
    assert "file://" not in text
    assert 'registry = "/' not in text
    assert "path = " not in text
