"""docs/reliability.md claims what has a test, and nothing else."""

import ast
import re
from pathlib import Path

import pytest

from ehrcommerce.workbench import promises

TESTS = Path(__file__).resolve().parents[1]


ROW = re.compile(r"^\| ([PF]\d+) \| .* \| (.*) \| (.*) \|$", re.M)
PAGE = TESTS.parent / "docs" / "reliability.md"


def test_the_page_claims_nothing_that_no_test_proves() -> None:
    """Run `manage.py prove_reliability --write` after marks came or went."""
    found = promises.proofs(TESTS)
    rows = {code: (re.findall(r"`([^`]+)`", names), result) for code, names, result in ROW.findall(PAGE.read_text())}
    assert set(rows) == {*promises.PROMISES, *promises.FAULTS}
    for code, (names, result) in rows.items():
        assert set(names) <= set(found.get(code, [])), f"{code}: run manage.py prove_reliability --write"
        assert (result == "proved") == bool(names), code


@pytest.mark.nightly
def test_the_page_leaves_nothing_out() -> None:
    assert PAGE.read_text() == promises.page(TESTS)


def test_every_promise_and_fault_has_a_test_or_is_said_not_to_be_built() -> None:
    proven, listed = promises.proofs(TESTS), {**promises.PROMISES, **promises.FAULTS}
    assert [code for code in listed if code not in proven and code not in promises.NOT_BUILT] == []
    assert set(promises.FAULTS) == {f"F{number}" for number in range(1, 69)}


def test_every_proof_that_is_named_is_there() -> None:
    for name in {name for names in promises.ALSO.values() for name in names}:
        path, _, function = name.partition("::")
        assert (TESTS / path).is_file(), name
        found = {node.name for node in ast.parse((TESTS / path).read_text()).body if isinstance(node, ast.FunctionDef)}
        assert not function or function in found, name
