"""A run of everything, cut for two processes: no piece loses its shared system, and the long ones begin first."""

from ehrcommerce.workbench.environment import ROOT
from ehrcommerce.workbench.splitting import EARLY, WHOLE, piece_of, rank_of
from ehrcommerce.workbench.testing import _split


def test_folders_that_share_a_system_stay_whole_and_files_stay_whole() -> None:
    assert piece_of("tests/crash/test_kills.py::test_one") == piece_of("tests/crash/test_wires.py::test_two[3]")
    assert piece_of("tests/ehr/test_a.py::test_one[tests/crash/]") == "tests/ehr/test_a.py"
    assert piece_of("tests/ehr/test_a.py::test_one") != piece_of("tests/ehr/test_b.py::test_one")


def test_what_takes_longest_comes_first() -> None:
    names = ["tests/ehr/test_a.py::t", "tests/browser/test_a.py::t", "tests/crash/test_a.py::t"]
    assert sorted(names, key=rank_of) == names[::-1]


def test_every_folder_named_there_exists() -> None:
    assert [folder for folder in (*EARLY, *WHOLE) if not (ROOT / folder).is_dir()] == []


def test_only_a_run_of_everything_is_split() -> None:
    assert _split(["tests/ehr"]) == []
    assert _split(["-k", "x"]) == []
