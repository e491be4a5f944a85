"""Hostile and odd answers, rows 58 to 63 of docs' list of hostile inputs: the door degrades, refuses, or stops, and
asks nobody but the EHR."""

import json
from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door, extract
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartUnreadable, WrongPatient
from tests.disclosure.charts import Json, chart, device, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle, reply
from tests.disclosure.reading import names, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]
OUTCOME: Json = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "Cy Young, 1980-05-06"}]}
BODIES = [
    b"null",
    b"[]",
    b"",
    b"<html>Cy Young</html>",
    json.dumps(OUTCOME).encode(),
    b'{"a": NaN}',
    b'{"a":1,"a":2}',
    b"{" * 5000,
]


@pytest.mark.smart("H58")
@pytest.mark.parametrize("body", BODIES)
def test_58_a_search_answered_with_something_else_degrades(
    ehr: FakeEhr, access: FhirAccess, by: Actor, body: bytes
) -> None:
    ehr.put(device())
    ehr.answer("GET MedicationRequest", Reply(200, body))
    found = page(access, by)
    assert names(found) == [("E0143", "")]
    assert found.unread == ("MedicationRequest: did not answer",)


@pytest.mark.smart("H58")
@pytest.mark.parametrize("body", BODIES)
def test_58_a_patient_answered_with_something_else_ends_the_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor, body: bytes
) -> None:
    ehr.answer("GET Patient/cy", Reply(200, body))
    with pytest.raises(ChartUnreadable) as caught:
        page(access, by)
    assert "Young" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


@pytest.mark.smart("H59")
def test_59_a_read_that_returns_another_patient_stops(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET Patient/cy", reply(patient(id="bo")))
    with pytest.raises(WrongPatient):
        page(access, by)
    assert AuditEvent.objects.get().outcome == "security"


@pytest.mark.smart("H59")
def test_59_a_medication_with_another_id_is_thrown_away_and_noted(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    ehr.put(
        prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1", "display": "x"})
    )
    ehr.answer("GET Medication/m1", reply({"resourceType": "Medication", "id": "m2", "code": {"text": "Oxycodone"}}))
    found = page(opened(honors_include=False), by)
    assert names(found) == [("Order that cannot be read", "unreadable")]
    assert AuditEvent.objects.filter(outcome="security", reason="other_resource").count() == 1


@pytest.mark.smart("H59")
def test_59_an_order_with_another_id_is_not_believed(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET MedicationRequest/rx-1", reply(prescription(id="rx-2")))
    with pytest.raises(ChartUnreadable):
        door.disclose_orders(access, {"k": ("MedicationRequest", "rx-1")}, by=by, at=AT)
    assert AuditEvent.objects.get().outcome == "security"


@pytest.mark.smart("H60")
@pytest.mark.parametrize(
    "other",
    [
        prescription(id="rx-2", subject={"reference": "Patient/bo"}),
        prescription(id="rx-2", subject={"reference": "https://other.example/fhir/Patient/bo"}),
        prescription(id="rx-2", subject={"reference": "Patient/bo/_history/3"}),
        patient(id="bo"),
        device(subject={"reference": "Patient/bo"}),
    ],
)
def test_60_another_patients_entry_stops_the_whole_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor, other: Json
) -> None:
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}, {"resource": other}]))
    with pytest.raises(WrongPatient):
        page(access, by)
    event = AuditEvent.objects.get()
    assert (event.outcome, event.reason, event.elements) == ("security", "wrong_patient", "")


@pytest.mark.smart("H60")
def test_60_the_same_in_a_fresh_reading_and_in_a_plan(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription(subject={"reference": "Patient/bo"}))
    with pytest.raises(WrongPatient):
        door.disclose_orders(access, {"k": ("MedicationRequest", "rx-1")}, by=by, at=AT)
    plan = {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/bo"}}
    ehr.answer("GET Coverage", bundle([{"resource": plan}]))
    with pytest.raises(WrongPatient):
        door.disclose_coverage(access, by=by, at=AT)


@pytest.mark.smart("H60")
@pytest.mark.parametrize(
    "subject", [None, {"display": "Cy"}, {"reference": "urn:uuid:1"}, {"reference": "Group/1"}, "x", []]
)
def test_60_an_order_that_proves_no_patient_is_not_read(subject: Any) -> None:
    order = extract.order(prescription(subject=subject), chart())
    assert (order.item.name, order.state.refusal) == ("Order that cannot be read", "unreadable")


@pytest.mark.smart("H61")
def test_61_outcomes_includes_doubles_and_wrong_totals(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    entries: list[Any] = [
        {"resource": OUTCOME, "search": {"mode": "outcome"}},
        {"resource": prescription(), "search": {"mode": "match"}}, {"resource": prescription()},
        {"resource": prescription()},
        {"fullUrl": "x"}, None, "x", {"resource": None}, {"resource": {}, "search": []},
        {"resource": {"resourceType": "Encounter"}},
    ]  # fmt: skip
    ehr.answer("GET MedicationRequest", bundle(entries))
    ehr.answer("GET DeviceRequest", reply({"resourceType": "Bundle", "total": 40}))
    ehr.answer("GET ServiceRequest", reply({"resourceType": "Bundle", "entry": {"resource": "x"}, "link": "y"}))
    found = page(access, by)
    assert names(found) == [("Metformin 500 mg", "")]
    assert found.unread == ()


@pytest.mark.smart("H62")
@pytest.mark.parametrize(
    "url", ["https://evil.example/fhir/R4/x", "//evil.example/x", "/admin", "http://[bad", "", 5, None]
)
def test_62_a_next_link_that_leads_out_is_not_followed(ehr: FakeEhr, access: FhirAccess, by: Actor, url: Any) -> None:
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], [{"relation": "next", "url": url}]))
    found = page(access, by)
    assert len(found.orders) == 1
    assert len(ehr.asked) <= 5
    assert not any(path.startswith("admin") for path in ehr.paths())


@pytest.mark.smart("H62")
def test_62_a_next_link_to_itself_ends(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    again = [{"relation": "next", "url": f"{ehr.base}/MedicationRequest?_page=1"}]
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], again))
    found = page(access, by)
    assert found.unread == ("MedicationRequest: the list may be incomplete",)
    assert ehr.paths().count("MedicationRequest") == 2


@pytest.mark.smart("H63")
@pytest.mark.parametrize(
    "reference",
    [
        "//evil.example/Medication/1", "https://evil.example/fhir/R4/Medication/1", "urn:uuid:1234", "#missing",
        "../Medication/1",
        "Medication/..", "Medication/1/../../x", "Medication/1?x=y", "Medication/%2e%2e", "Patient/bo", "Medication",
        "", "/Medication/1",
    ],
)  # fmt: skip
def test_63_no_reference_leads_the_token_anywhere_else(ehr: FakeEhr, opened: Open, by: Actor, reference: str) -> None:
    said = {"reference": reference, "display": "Metformin"}
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference=said, requester={"reference": reference}))
    assert names(page(opened(honors_include=False), by)) == [("Metformin", "")]
    assert len(ehr.asked) == 4


@pytest.mark.smart("H63")
def test_63_an_absolute_reference_below_the_base_is_read(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    ehr.put({"resourceType": "Medication", "id": "m1", "code": {"text": "Metformin"}})
    ehr.put(
        prescription(medicationCodeableConcept=None, medicationReference={"reference": f"{ehr.base}/Medication/m1"})
    )
    assert names(page(opened(honors_include=False), by)) == [("Metformin", "")]


@pytest.mark.smart("H63")
def test_63_contained_resources_that_point_at_each_other_end(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    inner = {
        "resourceType": "Medication",
        "id": "a",
        "code": {"text": "A"},
        "ingredient": [{"itemReference": {"reference": "#a"}}],
    }
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference={"reference": "#a"}, contained=[inner]))
    assert names(page(access, by)) == [("A", "")]
