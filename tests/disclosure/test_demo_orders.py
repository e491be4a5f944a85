"""Every order of the demo clinic ends as its page of expectations says, and nothing only a chart needs gets out."""

import pytest

from ehrcommerce.disclosure import people, plans
from ehrcommerce.policy import table
from ehrcommerce.sandbox.data.shapes import CHART_ONLY
from tests.disclosure.charts import BASE, DEMO, TODAY, demo_order, patient_of
from tests.sandbox.data.expected import EXPECTED, SELLABLE

# These are the catalog's to say.
AT_THE_CATALOG = {SELLABLE, "controlled", "no_price", "no_product", "codes_disagree", "retired"}


def refusal_of(name: str) -> str:
    """As the page shows it: what stands against the patient comes before what stands against the order."""
    resource_type, _, resource_id = name.partition("/")
    person = DEMO["Patient", patient_of(DEMO[resource_type, resource_id])]
    return people.banner(person, on=TODAY, adult_age=18).refusal or demo_order(name).state.refusal


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
def test_a_demo_order_is_refused_as_expected_or_not_at_all(name: str, expected: str) -> None:
    assert refusal_of(name) == ("" if expected in AT_THE_CATALOG else expected)


def test_every_demo_order_is_expected() -> None:
    kinds = ("MedicationRequest", "DeviceRequest", "ServiceRequest")
    assert {f"{kind}/{name}" for kind, name in DEMO if kind in kinds} == set(EXPECTED)


def test_what_only_the_chart_needs_is_in_no_packet() -> None:
    orders = [demo_order(name) for name in EXPECTED]
    persons = [
        (
            people.banner(raw, on=TODAY, adult_age=18), people.contacts(raw, on=TODAY), people.identity(raw, on=TODAY),
            people.ship_to(raw, on=TODAY), people.dispatch_facts(raw, on=TODAY), people.language(raw),
        )
        for (kind, _), raw in DEMO.items() if kind == "Patient"
    ]  # fmt: skip
    users = [
        people.practitioner(raw, purpose=table.SIGN_IN) for (kind, _), raw in DEMO.items() if kind == "Practitioner"
    ]
    coverage = plans.plans(
        [raw for (kind, _), raw in DEMO.items() if kind == "Coverage"], base=BASE, on=TODAY, found=DEMO
    )
    seen = repr((orders, persons, users, coverage))
    assert len(orders) > 60
    assert len(coverage) > 8
    assert CHART_ONLY not in seen
    assert "E11.9" not in seen


def test_a_dose_of_half_a_tablet_keeps_its_zeros() -> None:
    item = demo_order("MedicationRequest/priya-atorvastatin").item
    assert (item.dose, item.quantity, item.quantity_unit, item.days_supply) == ("0.50 tablet", "90.0", "tablet", "180")


def test_the_guided_tour_reads_well() -> None:
    item = demo_order("MedicationRequest/marisol-metformin").item
    assert item.name == "metformin hydrochloride 500 MG Oral Tablet"
    assert [coding.code for coding in item.codings] == ["861007", "00093-1048-01"]
    assert (item.timing, item.route, item.repeats, item.substitution) == ("2 per 1 d", "Oral route", "3", "allowed")
    assert (item.orderer_name, item.orderer_npi) == ("Dr. Ada Okafor", "1234567893")


def test_contained_and_referenced_medicines_carry_the_same_codes_as_written_ones() -> None:
    contained = demo_order("MedicationRequest/marisol-lisinopril").item
    referenced = demo_order("MedicationRequest/harold-lisinopril-10").item
    assert contained.codings == referenced.codings
    assert contained.codings[0].code == "314076"


def test_boxes_of_test_strips_are_counted_by_their_parameter() -> None:
    assert [(one.code, one.value) for one in demo_order("DeviceRequest/marisol-test-strips").item.parameters] == [
        ("Quantity", "2 box")
    ]


def test_a_device_order_carries_no_npi_since_no_supplier_of_devices_needs_it() -> None:
    item = demo_order("DeviceRequest/marisol-glucose-meter").item
    assert (item.orderer_name, item.orderer_npi) == ("Dr. Ada Okafor", "")


def test_a_restricted_order_shows_that_it_is_there_and_nothing_more() -> None:
    order = demo_order("MedicationRequest/joanna-montelukast-restricted")
    assert "montelukast" not in repr(order)
    assert order.item.name == "Order marked as restricted"
