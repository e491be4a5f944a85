"""Large families of cases: a few in each run, all of them in turn, and the same ones again for the same seed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ehrcommerce.workbench import rotation
from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.fixtures import STACK
from ehrcommerce.workbench.rotation import rotating

INNER = """
import os, pytest
from ehrcommerce.workbench.rotation import rotating
CASES = rotating(range(100), keep=4)
@pytest.mark.parametrize("case", CASES)
def test_case(case):
    with open("ran", "a") as ran:
        ran.write(f"{os.environ.get('PYTEST_XDIST_WORKER', '')} {case}\\n")
"""


@pytest.fixture(autouse=True)
def no_seed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (rotation.SEED, rotation.WHOLE):
        monkeypatch.delenv(name, raising=False)


def with_seed(number: int, cases: int, keep: int) -> list[int]:
    os.environ[rotation.SEED] = str(number)
    return rotating(range(cases), keep=keep)


@pytest.mark.parametrize(("cases", "keep"), [(2, 1), (7, 3), (10, 3), (70, 9), (100, 99), (5, 5), (3, 8), (0, 2)])
def test_runs_whose_seeds_follow_each_other_leave_no_case_out(cases: int, keep: int) -> None:
    runs = [with_seed(91_803 + number, cases, keep) for number in range(-(-cases // keep))]
    assert {case for taken in runs for case in taken} == set(range(cases))
    assert all(len(taken) == min(cases, keep) for taken in runs)
    assert all(taken == sorted(taken) for taken in runs)


def test_the_same_seed_takes_the_same_cases_and_another_takes_others() -> None:
    assert with_seed(17, 70, 9) == with_seed(17, 70, 9)
    assert with_seed(17, 70, 9) != with_seed(18, 70, 9)


def test_a_seed_that_was_given_stays_and_one_that_was_not_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rotation.begin(whole=False)
    drawn = rotation.seed()
    rotation.begin(whole=False)
    assert rotation.seed() == drawn
    assert f"EHRC_SEED={drawn} takes the same ones again" in rotation.headline()
    monkeypatch.setenv(rotation.SEED, "seven")
    with pytest.raises(rotation.NotANumber, match="must be a whole number"):
        rotation.begin(whole=False)


def test_the_night_takes_all() -> None:
    rotation.begin(whole=True)
    assert rotating(range(100), keep=1) == list(range(100))
    assert "all of each family" in rotation.headline()


def test_outside_a_run_nothing_is_left_out() -> None:
    assert rotating(range(100), keep=1) == list(range(100))


@pytest.fixture
def run(tmp_path: Path, pytestconfig: pytest.Config) -> Callable[..., tuple[str, list[list[str]]]]:
    """A run of its own over INNER; what it said, and (worker, case) of each test that ran."""
    mine = pytestconfig.stash[STACK]
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = nightly: later\n")

    def run(*more: str, **environment: str) -> tuple[str, list[list[str]]]:
        (tmp_path / "ran").write_text("")
        surroundings = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        servers = {"DATABASE_URL": mine.postgres.superuser_url, "REDIS_URL": mine.redis_url}
        command = [sys.executable, "-m", "pytest", "-p", "ehrcommerce.workbench.pytest_plugin", "-p", "no:django"]
        command += ["-c", str(tmp_path / "pytest.ini"), *(more or ["test_inner.py"])]
        env = {**surroundings, **servers, "PYTHONPATH": str(ROOT), **environment}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        mine.site("tests").make_roles()  # that run gave the roles its own passwords
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, [line.split(" ") for line in (tmp_path / "ran").read_text().splitlines()]

    return run


def test_all_workers_of_a_run_take_what_the_header_s_seed_says(run: Callable[..., tuple[str, list[list[str]]]]) -> None:
    """xdist itself stops a run whose workers collected different tests."""
    said, ran = run("-n", "2", "test_inner.py")
    seed = said.partition("EHRC_SEED=")[2].split()[0]
    assert {worker for worker, _ in ran} == {"gw0", "gw1"}
    cases = [int(case) for _, case in ran]
    assert sorted(cases) == with_seed(int(seed), 100, 4)


def test_a_case_that_is_named_runs_whatever_the_seed_says(run: Callable[..., tuple[str, list[list[str]]]]) -> None:
    outside = min(set(range(100)) - set(with_seed(5, 100, 4)))
    _, ran = run(f"test_inner.py::test_case[{outside}]", EHRC_SEED="5")
    assert ran == [["", str(outside)]]
