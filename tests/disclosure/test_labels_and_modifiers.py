"""What stops an order wherever it stands: a security label that is not plainly harmless, and an extension that may turn
the meaning around, at every level and in every form."""

from collections.abc import Callable
from typing import Any

import pytest

from ehrcommerce.disclosure import extract, people, plans
from ehrcommerce.policy import derive
from ehrcommerce.policy.packets import ChartOrder
from tests.disclosure.charts import BASE, TODAY, Json, chart, device, kit, prescription
from tests.policy import elements

Make = Callable[..., Json]
ORDERS: tuple[Make, ...] = (prescription, device, kit)
STOP = (
    "R", "V", "ETH", "ETHUD", "SUD", "OPIOIDUD", "PSY", "PSYTHPN", "MH", "HIV", "SDV", "SEX", "STD", "GDIS", "SICKLE",
    "TABOO", "SPI", "BH", "COGN", "DVD", "EMOTDIS", "MST", "SCA", "NORDSCLCD", "NOAUTH", "DELAU", "42CFRPart2", "ABC",
    "r", "N ormal", "",
)  # fmt: skip
PASS = ("N", "M", "L", "U", "HTEST")
ODD: tuple[Any, ...] = (
    "R",
    [{"display": "very private"}],
    [{"code": 7}],
    ["R"],
    {"code": "R"},
    [{"code": ["R"]}],
    True,
)


def order(raw: Json, found: dict[tuple[str, str], Json] | None = None) -> ChartOrder:
    return extract.order(raw, chart(found=found))


@pytest.mark.parametrize("code", STOP)
@pytest.mark.parametrize("make", ORDERS)
def test_a_label_that_is_not_plainly_harmless_stops_the_order(make: Make, code: str) -> None:
    found = order(make(meta={"security": [{"code": "N"}, {"system": "s", "code": code}]}))
    assert found.state.refusal == "restricted_label"
    assert (found.item.name, found.item.codings, found.item.directions) == (extract.RESTRICTED_NAME, (), "")


@pytest.mark.parametrize("code", PASS)
@pytest.mark.parametrize("make", ORDERS)
def test_a_harmless_label_stops_nothing(make: Make, code: str) -> None:
    assert order(make(meta={"security": [{"code": code}]})).state.refusal == ""


@pytest.mark.parametrize("labels", ODD, ids=repr)
@pytest.mark.parametrize("make", ORDERS)
def test_a_label_that_cannot_be_read_stops_too(make: Make, labels: Any) -> None:
    assert order(make(meta={"security": labels})).state.refusal == "restricted_label"


def test_a_label_on_the_medication_on_the_person_and_on_the_plan_stops_as_well() -> None:
    label = {"security": [{"code": "SUD"}]}
    raw = prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    drug = {"resourceType": "Medication", "id": "m", "meta": label, "code": {"text": "Buprenorphine"}}
    found = order(raw, {("Medication", "m"): drug})
    assert (found.state.refusal, found.item.name) == ("restricted_label", extract.RESTRICTED_NAME)
    inside = {**raw, "medicationReference": {"reference": "#m"}, "contained": [drug]}
    assert order(inside).state.refusal == "restricted_label"
    person = {"resourceType": "Patient", "birthDate": "1980-01-01", "meta": label}
    assert people.banner(person, on=TODAY, adult_age=18).refusal == "restricted_label"
    plan = {"resourceType": "Coverage", "status": "active", "subscriberId": "1", "payor": [{"display": "Blue"}]}
    assert len(plans.plans([plan], base=BASE, on=TODAY)) == 1
    assert plans.plans([{**plan, "meta": label}], base=BASE, on=TODAY) == ()


def with_modifier(raw: Json, path: str) -> Json:
    """`raw` with a modifierExtension at a path; what is not there yet is made."""
    *way, last = path.split(".")
    place: Any = raw
    for name in way:
        below = place.setdefault(name, {})
        place = below[0] if isinstance(below, list) and below else below
    place[last] = [{"url": "http://unknown.example/negates", "valueBoolean": True}]
    return raw


@pytest.mark.parametrize(
    ("make", "path"),
    [(make, path) for make, name in zip(ORDERS, derive.ORDER_TYPE.values(), strict=True) for path in elements.modifiers(name)],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)  # fmt: skip
def test_a_modifier_at_every_level_that_fhir_has_refuses(make: Make, path: str) -> None:
    assert order(with_modifier(make(), path)).state.refusal in ("modifier_extension", "unreadable")


@pytest.mark.parametrize(
    "path",
    [
        "medicationCodeableConcept.modifierExtension", "medicationCodeableConcept.coding.modifierExtension",
        "dosageInstruction.doseAndRate.modifierExtension", "dosageInstruction.timing.repeat.modifierExtension",
        "dispenseRequest.quantity.modifierExtension", "meta.modifierExtension", "subject.modifierExtension",
    ],
)  # fmt: skip
def test_a_modifier_where_fhir_has_none_refuses_as_well(path: str) -> None:
    raw = prescription(dosageInstruction=[{"text": "1", "doseAndRate": [{}], "timing": {"repeat": {}}}])
    assert order(with_modifier(raw, path)).state.refusal == "modifier_extension"


@pytest.mark.parametrize("path", list(elements.modifiers("Medication")))
def test_a_modifier_anywhere_in_the_medication_refuses(path: str) -> None:
    raw = prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    drug = with_modifier({"resourceType": "Medication", "id": "m", "code": {"text": "Metformin"}}, path)
    assert order(raw, {("Medication", "m"): drug}).state.refusal == "modifier_extension"


def test_a_modifier_on_who_signed_refuses() -> None:
    raw = prescription(requester={"reference": "Practitioner/p"})
    signer = {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Lund"}]}
    assert order(raw, {("Practitioner", "p"): signer}).state.refusal == ""
    modified = {**signer, "modifierExtension": [{"url": "u"}]}
    assert order(raw, {("Practitioner", "p"): modified}).state.refusal == "modifier_extension"
