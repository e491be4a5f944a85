"""The demo clinic is valid FHIR R4, ages with the calendar, and says what the list of expected outcomes says of it."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest

from ehrcommerce.policy.refusals import REFUSALS
from ehrcommerce.sandbox.data import exact_json
from ehrcommerce.sandbox.data.demo import demo_resources, demo_users
from ehrcommerce.sandbox.data.shapes import CHART_ONLY, NPI
from tests.sandbox.data.expected import EXPECTED, SELLABLE

TODAY = date(2026, 3, 2)
ORDERS = ("MedicationRequest", "DeviceRequest", "ServiceRequest")
RESOURCES = demo_resources(TODAY)
BY_REFERENCE = {f"{resource['resourceType']}/{resource['id']}": resource for resource in RESOURCES}


def of_type(*kinds: str) -> list[dict[str, Any]]:
    return [resource for resource in RESOURCES if resource["resourceType"] in kinds]


def values(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with the name of the element that holds it."""
    if isinstance(node, dict):
        for key, item in node.items():
            yield from values(item, key)
    elif isinstance(node, list):
        for item in node:
            yield from values(item, name)
    else:
        yield name, node


@pytest.mark.parametrize("reference", BY_REFERENCE)
def test_each_resource_is_valid_r4(reference: str) -> None:
    resource = BY_REFERENCE[reference]
    kind = resource["resourceType"]
    model = getattr(import_module(f"fhirclient.models.{kind.lower()}"), kind)
    plain = json.loads(exact_json.dumps(resource))
    assert model(plain, strict=True).as_json()["id"] == resource["id"]


def test_ids_are_unique_and_legal() -> None:
    assert len(BY_REFERENCE) == len(RESOURCES)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"]) for resource in RESOURCES)


def test_references_resolve_except_the_one_that_must_not() -> None:
    found = {value for name, value in values(RESOURCES) if name == "reference" and not value.startswith("#")}
    assert found - set(BY_REFERENCE) == {"Medication/med-withdrawn-by-vendor"}


def test_the_size_of_the_clinic() -> None:
    assert len(of_type("Patient")) == 12
    assert len(of_type("Practitioner")) == 2
    assert 60 <= len(of_type(*ORDERS)) <= 80
    assert all(len([o for o in of_type(kind) if o["status"] == "active"]) >= 8 for kind in ORDERS)


def test_each_order_has_an_expected_outcome() -> None:
    references = {f"{order['resourceType']}/{order['id']}" for order in of_type(*ORDERS)}
    assert references == set(EXPECTED)
    assert set(EXPECTED.values()) <= {SELLABLE, *REFUSALS}


def test_the_first_patient_is_marisol_with_several_things_to_buy() -> None:
    first = of_type("Patient")[0]
    assert (first["id"], first["birthDate"]) == ("marisol-rivera", "1968-03-14")
    assert sum(outcome == SELLABLE for key, outcome in EXPECTED.items() if "/marisol" in key) >= 6


def test_one_patient_has_twenty_active_prescriptions_by_reference() -> None:
    mine = [o for o in of_type("MedicationRequest") if o["subject"]["reference"] == "Patient/harold-nakamura"]
    assert len({order["medicationReference"]["reference"] for order in mine}) == 20
    assert {order["status"] for order in mine} == {"active"}


def test_every_order_carries_what_must_not_leave() -> None:
    for order in of_type(*ORDERS):
        marked = {name for name, value in values(order) if isinstance(value, str) and CHART_ONLY in value}
        assert marked >= {"div", "text", "display", "valueString", "authorString"}, order["id"]


def test_the_dates_follow_the_day_of_the_demo() -> None:
    later = demo_resources(TODAY + timedelta(days=3650))
    for before, after in zip(of_type(*ORDERS), [r for r in later if r["resourceType"] in ORDERS], strict=True):
        moved = date.fromisoformat(after["authoredOn"][:10]) - date.fromisoformat(before["authoredOn"][:10])
        assert moved == timedelta(days=3650)
        assert before["authoredOn"][:10] <= TODAY.isoformat()


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2028, 2, 29), date(2031, 12, 31)])
def test_the_minor_stays_a_minor(day: date) -> None:
    noah = next(r for r in demo_resources(day) if r["id"] == "noah-kim")
    assert 10 <= day.year - int(noah["birthDate"][:4]) <= 12


def test_numbers_keep_their_characters() -> None:
    text = exact_json.dumps(BY_REFERENCE["MedicationRequest/priya-atorvastatin"])
    assert '"value":0.50' in text
    assert '"value":90.0' in text
    assert exact_json.loads(text)["dispenseRequest"]["quantity"]["value"].as_tuple() == Decimal("90.0").as_tuple()
    assert not any(isinstance(value, float) for _, value in values(RESOURCES))


def test_exact_json_is_json_and_refuses_floats() -> None:
    tricky = {"a": ['quote " back \\ line \n', True, None, 3, Decimal("1E+2")], "ñ": {}}
    assert json.loads(exact_json.dumps(tricky)) == {"a": ['quote " back \\ line \n', True, None, 3, 100], "ñ": {}}
    with pytest.raises(TypeError, match="No float"):
        exact_json.dumps({"dose": 0.5})


def luhn_holds(npi: str) -> bool:
    """NPI: Luhn over 80840 and the ten digits (45 CFR 162.406)."""
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed("80840" + npi))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def test_every_npi_is_well_formed() -> None:
    numbers = [
        i["value"] for r in of_type("Practitioner", "Organization") for i in r["identifier"] if i["system"] == NPI
    ]
    assert len(numbers) == 3
    assert all(re.fullmatch(r"[12]\d{9}", npi) and luhn_holds(npi) for npi in numbers)


def test_nobody_real_can_be_reached() -> None:
    for name, value in values(RESOURCES):
        if name == "value" and isinstance(value, str) and (value.startswith("+") or "@" in value):
            assert re.fullmatch(r"\+1\d{3}55501\d\d", value) or value.endswith(".example"), value


def test_the_users_are_the_two_practitioners() -> None:
    assert [user["username"] for user in demo_users()] == ["ada", "lund"]
    for user in demo_users():
        assert set(user) == {"username", "password", "name", "fhir_user"}
        assert BY_REFERENCE[user["fhir_user"]]["name"][0]["text"] == user["name"]
