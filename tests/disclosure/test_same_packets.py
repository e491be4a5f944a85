"""Non-interference, where the packet is made: two charts that are equal in what the table names and differ in anything
else give equal packets, byte for byte. And a packet that holds what no row fills does not leave the door."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrcommerce.disclosure import extract, people, plans
from ehrcommerce.policy import derive, schema, table
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, Coding, OrderedItem
from tests.disclosure.charts import BASE, DEMO, TODAY, Json, chart, patient_of

# Never on the way to anything that is kept, at any level; a modifierExtension is kept everywhere, as a reason to stop.
FORBIDDEN = (
    "note", "encounter", "reasonCode", "reasonReference", "supportingInformation", "supportingInfo", "statusReason",
    "insurance", "detectedIssue", "eventHistory", "relevantHistory", "basedOn", "groupIdentifier", "bodySite", "specimen",
    "orderDetail", "patientInstruction", "additionalInstruction", "photo", "gender", "maritalStatus", "contact",
    "generalPractitioner", "costToBeneficiary", "extension", "_status", "_text", "_display", "_birthDate", "unknown",
    "instantiatesUri", "performer", "recorder", "priority", "tag", "source", "profile", "userSelected", "assigner",
)  # fmt: skip
words = st.text(max_size=8) | st.booleans() | st.none()
junk = st.recursive(
    words, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FORBIDDEN), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
more = st.dictionaries(st.sampled_from(FORBIDDEN), junk, max_size=4)


def everywhere(value: Any, draw: Callable[[], Json]) -> Any:
    """The same JSON with forbidden names added to every object of it; what was there before stays."""
    if isinstance(value, dict):
        return {**draw(), **{name: everywhere(part, draw) for name, part in value.items()}}
    return [everywhere(part, draw) for part in value] if isinstance(value, list) else value


ORDERS = [one for one in DEMO.values() if one["resourceType"] in derive.KIND_OF_TYPE]


@given(st.sampled_from(ORDERS), st.data())
def test_orders_that_differ_in_what_is_not_named_are_the_same_packet(raw: Json, data: st.DataObject) -> None:
    bare = {name: value for name, value in raw.items() if name not in FORBIDDEN}
    whose = patient_of(raw)
    first = extract.order(bare, chart(whose, DEMO))
    noisy = {
        key: everywhere(one, lambda: data.draw(more)) for key, one in DEMO.items() if key in _pointed_at(bare, whose)
    }
    second = extract.order(everywhere(bare, lambda: data.draw(more)), chart(whose, {**DEMO, **noisy}))
    assert second == first


def _pointed_at(raw: Json, whose: str) -> set[tuple[str, str]]:
    return extract.references(raw, chart(whose).base)


PEOPLE = [one for one in DEMO.values() if one["resourceType"] == "Patient"]


@given(st.sampled_from(PEOPLE), st.data())
def test_people_that_differ_in_what_is_not_named_are_the_same_person(raw: Json, data: st.DataObject) -> None:
    bare = {name: value for name, value in raw.items() if name not in FORBIDDEN}
    noisy = everywhere(bare, lambda: data.draw(more))
    for read in (people.contacts, people.identity, people.ship_to, people.dispatch_facts):
        assert read(noisy, on=TODAY) == read(bare, on=TODAY)
    assert people.banner(noisy, on=TODAY, adult_age=18) == people.banner(bare, on=TODAY, adult_age=18)
    assert people.language(noisy) == people.language(bare)


PLANS = [one for one in DEMO.values() if one["resourceType"] == "Coverage"]


@given(st.sampled_from(PLANS), st.data())
def test_plans_that_differ_in_what_is_not_named_are_the_same_plan(raw: Json, data: st.DataObject) -> None:
    bare = {name: value for name, value in raw.items() if name not in FORBIDDEN}
    noisy = everywhere(bare, lambda: data.draw(more))
    assert plans.plans([noisy], base=BASE, on=TODAY, found=DEMO) == plans.plans([bare], base=BASE, on=TODAY, found=DEMO)


def test_numbers_keep_their_characters_from_the_wire_to_the_packet() -> None:
    raw = {**DEMO[next(key for key in DEMO if key[0] == "MedicationRequest")]}
    whose = patient_of(raw)
    for said in ("0.50", "1.0", "100", "0.125", "2.500000"):
        raw["dispenseRequest"] = {"quantity": {"value": said, "unit": "mL"}}
        assert extract.order(raw, chart(whose, DEMO)).item.quantity == said


@pytest.mark.parametrize(
    "item",
    [
        OrderedItem("k", KIT, "HbA1c", directions="for diabetes"),
        OrderedItem("k", DEVICE, "Mask", orderer_npi="1234567893"),
        OrderedItem("k", PRESCRIPTION, "Metformin", occurrence="2026-01-01"),
        OrderedItem("k", PRESCRIPTION, "Metformin", directions="x" * 501),
        OrderedItem("k", PRESCRIPTION, "Metformin", codings=(Coding("s", "c", "x" * 501),)),
        replace(OrderedItem("k", PRESCRIPTION, "Metformin"), quantity=60),  # type: ignore[arg-type]
    ],
)
def test_a_packet_with_what_no_row_fills_does_not_leave_the_door(item: OrderedItem) -> None:
    with pytest.raises(schema.UngrantedField) as caught:
        schema.require(item)
    assert "x" * 10 not in str(caught.value)
    assert "diabetes" not in str(caught.value)


def test_the_packets_of_the_demo_leave_the_door() -> None:
    for raw in ORDERS:
        item = extract.order(raw, chart(patient_of(raw), DEMO)).item
        assert schema.require(item) is item
    assert table.PRESCRIPTION in {
        one.kind for one in (extract.order(raw, chart(patient_of(raw), DEMO)).item for raw in ORDERS)
    }
