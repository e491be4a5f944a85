"""The clinician's page in as few requests as the EHR allows, all at the same time, and never more than asked for."""

import time

import pytest

from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door, fhir
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.policy.packets import ChartPage
from ehrcommerce.sandbox.data.demo import demo_resources
from ehrcommerce.sandbox.data.patients import HAROLD, MARISOL
from tests.disclosure.charts import TODAY, device, kit, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply

pytestmark = pytest.mark.django_db


def page(access: FhirAccess, by: Actor) -> ChartPage:
    return door.disclose_chart(access, by=by, at=AT)


@pytest.fixture
def demo(ehr: FakeEhr) -> FakeEhr:
    ehr.put(*demo_resources(TODAY))
    return ehr


def test_twenty_prescriptions_by_reference_take_four_requests_with_include(
    demo: FakeEhr, opened: Open, by: Actor
) -> None:
    found = page(opened(HAROLD), by)
    assert len(found.orders) == 20
    assert all(one.item.codings and one.item.orderer_npi for one in found.orders)
    assert sorted(demo.paths()) == ["DeviceRequest", "MedicationRequest", f"Patient/{HAROLD}", "ServiceRequest"]


def test_without_include_each_reference_is_read_once_in_one_round(demo: FakeEhr, opened: Open, by: Actor) -> None:
    demo.include = False
    demo.pause_s = 0.15
    began = time.monotonic()
    with_include = page(opened(HAROLD, honors_include=True), by)
    took = time.monotonic() - began
    paths = demo.paths()
    assert len(paths) == len(set(paths)) == 4 + 21
    # Four at once, then 21 in rounds of eight: four pauses, not twenty-five.
    assert took < 0.15 * 9
    assert demo.busiest == fhir.AT_ONCE
    assert all(one.item.codings for one in with_include.orders)
    assert max(one.began for one in demo.asked[:4]) - min(one.began for one in demo.asked[:4]) < 0.1


def test_the_packets_are_the_same_however_the_references_came(demo: FakeEhr, opened: Open, by: Actor) -> None:
    first = page(opened(MARISOL), by)
    demo.include = demo.elements = False
    assert page(opened(MARISOL, honors_include=False, honors_elements=False), by) == first


def test_a_fresh_reading_gives_the_same_packets_as_the_page(demo: FakeEhr, opened: Open, by: Actor) -> None:
    access = opened(MARISOL)
    shown = {one.item.key: one.item for one in page(access, by).orders}
    wanted = {key: access.seen[key][:2] for key in shown}
    again = door.disclose_orders(access, wanted, by=by, at=AT)
    assert {key: one.item for key, one in again.items() if one} == shown


def test_the_search_asks_for_open_orders_and_the_elements_of_the_table(
    demo: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    page(access, by)
    (asked,) = [one for one in demo.asked if one.path == "MedicationRequest"]
    assert asked.values("patient") == ["cy"]
    assert asked.values("intent") == [], "a plan is listed, with the reason why it is not sold"
    assert asked.values("status") == ["active,on-hold,draft"]
    assert asked.values("_include") == ["MedicationRequest:medication", "MedicationRequest:requester"]
    assert "dosageInstruction" in asked.values("_elements")[0]
    assert "reasonCode" not in asked.values("_elements")[0]
    assert asked.headers["Authorization"] == "Bearer a-token"


def test_an_ehr_that_knows_neither_elements_nor_include_is_not_asked_for_them(
    ehr: FakeEhr, opened: Open, by: Actor
) -> None:
    page(opened(honors_elements=False, honors_include=False), by)
    assert not any(one.values("_elements") or one.values("_include") for one in ehr.asked)


def test_an_ehr_that_refuses_status_is_asked_once_more_without(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.refuses_status = True
    ehr.put(prescription(), prescription(id="old", status="completed"), prescription(id="held", status="on-hold"))
    found = page(access, by)
    assert [one.state.status for one in found.orders] == ["active", "on-hold"]
    assert ehr.paths().count("MedicationRequest") == 2


def test_only_the_types_that_were_asked_for_are_searched(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(device(), prescription())
    found = door.disclose_chart(access, by=by, at=AT, only=["DeviceRequest"])
    assert sorted(ehr.paths()) == ["DeviceRequest", "Patient/cy"]
    assert [one.item.kind for one in found.orders] == ["device"]


def test_page_after_page_is_read(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.page_size = 2
    ehr.put(*(prescription(id=f"rx-{number}") for number in range(5)))
    found = page(access, by)
    assert len(found.orders) == 5
    assert ehr.paths().count("MedicationRequest") == 3
    assert found.unread == ()


def test_after_twenty_pages_the_list_may_be_incomplete(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.page_size = 1
    ehr.put(*(prescription(id=f"rx-{number}") for number in range(30)))
    found = page(access, by)
    assert len(found.orders) == 20
    assert found.unread == ("MedicationRequest: the list may be incomplete",)


def test_more_than_forty_references_are_left_and_said(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    for number in range(45):
        ehr.put({"resourceType": "Medication", "id": f"m{number}", "code": {"text": f"Medicine {number}"}})
        by_reference = {
            "medicationCodeableConcept": None,
            "medicationReference": {"reference": f"Medication/m{number}"},
        }
        ehr.put(prescription(id=f"rx-{number}", **by_reference))
    found = page(opened(honors_include=False), by)
    assert sum(path.startswith("Medication/") for path in ehr.paths()) == fhir.MOST_REFERENCES
    assert [one.state.refusal for one in found.orders].count("unreadable") == 5
    assert found.unread == ("5 references: not read",)


def test_a_medication_that_was_cut_by_the_elements_of_another_type_is_read_by_itself(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"}))
    ehr.put({"resourceType": "Medication", "id": "m1", "meta": {"tag": [{"code": "SUBSETTED"}]}})
    whole = b'{"resourceType":"Medication","id":"m1","code":{"text":"Metformin"}}'
    ehr.answer("GET Medication/m1", Reply(200, whole))
    assert [one.item.name for one in page(access, by).orders] == ["Metformin"]


def test_what_stands_against_the_patient_stands_against_every_order(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.put(patient(deceasedBoolean=True), prescription(), device(status="draft"), kit())
    found = page(access, by)
    assert found.banner.refusal == "patient_deceased"
    assert {one.state.refusal for one in found.orders} == {"patient_deceased"}


def test_the_recipient_is_digests_and_contacts(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    recipient = page(access, by).recipient
    assert recipient.customer_key == access.customer_key
    assert len(recipient.birth_digest) == len(recipient.family_digest) == 32
    assert recipient.postal_digest == b""
    assert "1980" not in repr(recipient)
    assert [one.value for one in recipient.contacts] == ["+12065550142"]


def test_the_door_notes_what_each_key_stands_for(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription())
    (order,) = page(access, by).orders
    assert access.seen == {
        order.item.key: ("MedicationRequest", "rx-1", "3"),
        access.customer_key: ("Patient", "cy", ""),
    }
    assert "rx-1" not in repr(order)
