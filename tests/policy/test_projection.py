"""Whatever an EHR answers: what comes out has no path that the table does not name, and nothing but plain values."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrcommerce.policy import derive, table

ALLOWED = derive.paths("MedicationRequest", (table.PRESCRIPTION,))
NAMES = sorted(
    {part for path in ALLOWED for part in path.split(".")} | {"note", "extension", "_status", "reasonCode", "div"}
)
values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=40,
)
resources = st.dictionaries(st.sampled_from(NAMES), values, max_size=12)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, path)
    else:
        yield path, value


@given(resources)
def test_no_path_comes_out_that_the_table_does_not_name(raw: dict[str, Any]) -> None:
    for path, value in leaves(derive.project(raw, ALLOWED)):
        assert path in ALLOWED or (path.endswith(".modifierExtension") and value is True)
        assert isinstance(value, str | bool | int)


@given(resources, st.dictionaries(st.sampled_from(["note", "encounter", "reasonCode", "_status", "text"]), values))
def test_what_is_not_allowed_changes_nothing(raw: dict[str, Any], forbidden: dict[str, Any]) -> None:
    bare = {name: value for name, value in raw.items() if name not in forbidden}
    assert derive.project({**bare, **forbidden}, ALLOWED) == derive.project(bare, ALLOWED)


@given(resources)
def test_cutting_twice_is_cutting_once(raw: dict[str, Any]) -> None:
    once = derive.project(raw, ALLOWED)
    assert derive.project(once, ALLOWED) == once


def test_the_answer_itself_is_not_changed() -> None:
    raw = {"status": "active", "note": [{"text": "x"}], "meta": {"versionId": "1", "source": "y"}}
    before = repr(raw)
    assert derive.project(raw, ALLOWED) == {"status": "active", "meta": {"versionId": "1"}}
    assert repr(raw) == before


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ({"modifierExtension": [{"url": "u", "valueString": "secret"}]}, {"modifierExtension": True}),
        ({"modifierExtension": []}, {}),
        ({"reportedReference": {"display": "the spouse"}}, {"reportedReference": True}),
        (
            {"dosageInstruction": [{"asNeededCodeableConcept": {"text": "for migraine"}}]},
            {"dosageInstruction": [{"asNeededCodeableConcept": True}]},
        ),
    ],
)
def test_of_some_elements_only_their_presence_is_kept(raw: dict[str, Any], kept: dict[str, Any]) -> None:
    assert derive.project(raw, ALLOWED) == kept


def test_a_structure_where_a_plain_value_is_due_is_dropped() -> None:
    raw = {"status": {"secret": "x"}, "medicationCodeableConcept": {"text": ["a", {"secret": "x"}]}}
    assert derive.project(raw, ALLOWED) == {"medicationCodeableConcept": {"text": ["a"]}}
