"""docs/threat-model.md and docs/hipaa-controls.md name files and tests that are there: a control whose test is gone is a
claim."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"threat-model.md": 6, "hipaa-controls.md": 4}


def rows(page: str) -> list[list[str]]:
    lines = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("page", PAGES)
def test_each_file_and_each_test_that_a_control_names_is_there(page: str) -> None:
    missing = []
    for row in rows(page):
        assert len(row) == PAGES[page], row
        where, tests = (re.findall(r"`([^`]+)`", cell) for cell in row[-2:])
        assert where, row
        assert tests, row
        missing += [path for path in where if not (ROOT / "ehrcommerce" / path).is_file()]
        missing += [name for name in tests if not is_there(name)]
    assert missing == []


def is_there(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and (not test or f"def {test}(" in path.read_text())


def test_every_boundary_of_the_threat_model_has_a_row() -> None:
    assert {row[0] for row in rows("threat-model.md")} == {f"B{number}" for number in range(1, 22)}


def test_every_part_of_the_security_rule_has_a_row() -> None:
    clauses = " ".join(row[0] for row in rows("hipaa-controls.md"))
    for part in ("164.308", "164.310", "164.312(a)", "164.312(b)", "164.312(c)", "164.312(d)", "164.312(e)", "164.314",
                 "164.316", "164.502", "164.504", "164.508", "164.514", "164.522", "164.524", "164.528"):  # fmt: skip
        assert part in clauses, part


def test_the_look_is_sharp() -> None:
    assert not is_there("house/test_control_pages.py::test_that_nobody_wrote")
    assert not is_there("house/test_nothing.py")
