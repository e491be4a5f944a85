"""Whatever JSON an EHR sends, the extractors neither crash nor let an element through that the table does not name."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ehrcommerce.disclosure import extract, people, plans, values
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.refusals import REFUSALS
from tests.disclosure.charts import BASE, TODAY, as_read, chart, device, kit, patient, prescription

TYPES = ("MedicationRequest", "DeviceRequest", "ServiceRequest", "Patient", "Coverage", "Practitioner", "Medication")
PATHS = {name: derive.paths(name, tuple(table.ACT_REASON)) for name in TYPES}
NAMES = sorted({part for found in PATHS.values() for path in found for part in path.split(".")} | {"contained", "note"})
WORDS = st.sampled_from(
    [
        "active",
        "order",
        "Patient/cy",
        "#a",
        "2026-11-02",
        "2026",
        "0.50",
        "-1",
        "1e9",
        "true",
        "R",
        "phone",
        "<b>",
        "\u202e",
        "",
    ]
)
LEAVES = st.none() | st.booleans() | WORDS | st.text(max_size=8)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=25,
)
ANYTHING = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=10)
# What no row of the table names: values that a chart holds beside the purchase.
SECRET = st.dictionaries(
    st.sampled_from(
        ["note", "reasonCode", "encounter", "text", "extension", "identifier", "statusReason", "insurance", "_status"]
    ),
    st.text(min_size=1).map(lambda words: [{"text": f"secret {words}"}]),
    min_size=1,
)


@given(ANYTHING, st.sampled_from(["MedicationRequest", "DeviceRequest", "ServiceRequest"]))
def test_any_order_is_a_packet_with_a_name_and_a_known_refusal(raw: dict[str, Any], kind: str) -> None:
    base = {"MedicationRequest": prescription, "DeviceRequest": device, "ServiceRequest": kit}[kind]()
    for one in ({**raw, "resourceType": kind}, {**base, **raw, "resourceType": kind, "subject": base["subject"]}):
        order = extract.order(one, chart(found={("Medication", "cy"): raw, ("Practitioner", "cy"): raw}))
        assert order.item.name
        assert order.state.refusal in {"", *REFUSALS}
        repr(order).encode()
        extract.references(one, BASE)
        extract.belongs(one, chart())


@given(ANYTHING)
def test_any_patient_practitioner_and_coverage_make_facts_or_none(raw: dict[str, Any]) -> None:
    person = {**raw, "resourceType": "Patient"}
    banner = people.banner(person, on=TODAY, adult_age=18)
    assert banner.refusal in {"", *REFUSALS}
    people.identity(person, on=TODAY)
    people.language(person)
    people.ship_to(person, on=TODAY)
    people.dispatch_facts(person, on=TODAY)
    for contact in people.contacts(person, on=TODAY):
        assert contact.value.startswith("+") or "@" in contact.value
    people.practitioner(raw, purpose=table.SIGN_IN)
    plans.plans([{**raw, "resourceType": "Coverage"}], base=BASE, on=TODAY, found={("Organization", "cy"): raw})
    plans.payers(raw, BASE)


@given(SECRET, SECRET)
def test_what_is_not_allowed_changes_no_packet(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Non-interference: two charts that differ in forbidden elements alone give the same packets."""
    for base in (prescription(), device(), kit()):
        first, second = (extract.order({**base, **secret}, chart()) for secret in (one, other))
        assert first == second
        assert "secret" not in repr(first)
    first_person, second_person = ({**patient(), **secret} for secret in (one, other))
    assert people.banner(first_person, on=TODAY, adult_age=18) == people.banner(second_person, on=TODAY, adult_age=18)
    assert people.contacts(first_person, on=TODAY) == people.contacts(second_person, on=TODAY)


@given(st.text(), st.integers(min_value=2, max_value=60))
def test_words_are_printable_one_line_and_within_their_cap(said: str, cap: int) -> None:
    clean = values.text(said, cap)
    assert len(clean) <= cap
    assert clean == clean.strip()
    assert not any(c in clean for c in "\n\r\t\x00\u202e\u2066\u200b")
    clean.encode()


@given(st.decimals(min_value=0, max_value=99999, places=3, allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_characters_from_the_wire_to_the_packet(number: Any) -> None:
    raw = as_read(prescription(dispenseRequest={"quantity": {"value": number, "unit": "mL"}}))
    assert extract.order(raw, chart()).item.quantity == format(number, "f")
