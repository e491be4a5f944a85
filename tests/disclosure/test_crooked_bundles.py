"""Bundles as EHRs write them: remarks among the entries, doubles, versions, somebody else's record, half a list. One bad
resource never spoils the page."""

from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import WrongPatient
from tests.disclosure.charts import Json, device, prescription
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle
from tests.disclosure.reading import names, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]


def remark(code: str) -> Json:
    issue = {"severity": "warning", "code": "informational", "details": {"coding": [{"code": code}]}}
    return {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}


@pytest.mark.smart("H61")
@pytest.mark.parametrize("code", ["4101", "4119"])
def test_61_remarks_of_the_ehr_are_no_orders_and_no_fault(
    ehr: FakeEhr, access: FhirAccess, by: Actor, code: str
) -> None:
    ehr.answer("GET DeviceRequest", bundle([remark(code)]))
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}, remark(code)]))
    found = page(access, by)
    assert (names(found), found.unread) == ([("Metformin 500 mg", "")], ())


@pytest.mark.smart("H61")
def test_61_an_order_that_only_came_along_is_not_listed(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    along = {"resource": prescription(id="before"), "search": {"mode": "include"}}
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription(), "search": {"mode": "match"}}, along]))
    assert len(page(access, by).orders) == 1


def version(number: int, updated: str | None, **changes: Any) -> Json:
    meta = {"versionId": str(number), "lastUpdated": updated}
    return {"resource": prescription(meta={name: part for name, part in meta.items() if part}, **changes)}


@pytest.mark.smart("H61")
@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([version(3, "2026-10-30T10:00:00Z"), version(3, "2026-10-30T10:00:00Z")], "3"),
        ([version(3, "2026-10-30T10:00:00Z"), version(4, "2026-10-30T11:00:00Z")], "4"),
        ([version(4, "2026-10-30T11:00:00Z"), version(3, "2026-10-30T10:00:00Z")], "4"),
        ([version(4, "2026-10-30T11:00:00+02:00"), version(3, "2026-10-30T10:00:00Z")], "3"),
        ([version(3, None), version(4, None)], "4"),
        ([version(3, "soon"), version(4, "2026-10-30")], "4"),
    ],
)
def test_61_of_two_versions_the_newer_is_listed_once(
    ehr: FakeEhr, access: FhirAccess, by: Actor, rows: list[Json], kept: str
) -> None:
    ehr.answer("GET MedicationRequest", bundle(rows))
    assert [one.state.version for one in page(access, by).orders] == [kept]


@pytest.mark.smart("H61")
def test_61_an_order_that_was_closed_while_the_pages_were_read_is_gone(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    rows = [version(3, "2026-10-30T10:00:00Z"), version(4, "2026-10-30T11:00:00Z", status="stopped")]
    ehr.answer("GET MedicationRequest", bundle(rows))
    assert page(access, by).orders == ()


@pytest.mark.smart("H60")
@pytest.mark.parametrize(
    "other",
    [
        {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/bo"}},
        {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/bo"}},
        {"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "Patient/bo"}},
    ],
)
def test_60_anything_of_another_patient_stops_the_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor, other: Json
) -> None:
    rows = [{"resource": prescription()}, {"resource": other, "search": {"mode": "include"}}]
    ehr.answer("GET MedicationRequest", bundle(rows))
    with pytest.raises(WrongPatient):
        page(access, by)
    assert AuditEvent.objects.get().reason == "wrong_patient"
    assert not any(path.startswith(("Medication/", "Practitioner/")) for path in ehr.paths()), "the pull stops there"


@pytest.mark.smart("H62")
def test_62_a_list_that_goes_on_elsewhere_says_so(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    away = [{"relation": "next", "url": "https://evil.example/fhir/R4/MedicationRequest?page=2"}]
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], away))
    found = page(access, by)
    assert (names(found), found.unread) == (
        [("Metformin 500 mg", "")], ("MedicationRequest: the list may be incomplete",),
    )  # fmt: skip


@pytest.mark.smart("H58", "H61")
@pytest.mark.parametrize(
    "bad",
    [
        {"resourceType": "MedicationRequest"}, {"resourceType": "MedicationRequest", "id": "../../x", "status": []},
        {"resourceType": "MedicationRequest", "id": 5, "dosageInstruction": "x", "dispenseRequest": [[]], "contained": {}},
    ],
)  # fmt: skip
def test_one_bad_resource_never_spoils_the_page(ehr: FakeEhr, access: FhirAccess, by: Actor, bad: Json) -> None:
    ehr.put(device())
    ehr.answer("GET MedicationRequest", bundle([{"resource": bad}, {"resource": prescription()}]))
    assert ("Metformin 500 mg", "") in names(page(access, by))
    assert ("E0143", "") in names(page(access, by))


@pytest.mark.smart("H70")
@pytest.mark.parametrize("status", [500, 403, 404])
def test_70_a_list_that_breaks_off_in_the_middle_is_not_shown_as_whole(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int
) -> None:
    more = [{"relation": "next", "url": "MedicationRequest2"}]
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], more))
    ehr.answer("GET MedicationRequest2", Reply(status, b"Cy Young"))
    (said,) = page(access, by).unread
    assert said.startswith("MedicationRequest: ")
