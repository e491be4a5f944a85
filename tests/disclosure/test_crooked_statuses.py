"""401, 403, 404, 410, 429 and 503 in the middle of reading, row 70 of docs' list of hostile inputs: what one answer takes
away, it takes from its own part of the page only."""

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from tests.disclosure.charts import Json, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle, reply
from tests.disclosure.reading import names, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]


@pytest.mark.smart("H70")
@pytest.mark.parametrize("status", [401, 403])
def test_70_a_patient_that_may_not_be_read(ehr: FakeEhr, access: FhirAccess, by: Actor, status: int) -> None:
    ehr.answer("GET Patient/cy", Reply(status, b"Cy Young"))
    with pytest.raises(ChartForbidden):
        page(access, by)


@pytest.mark.smart("H70")
def test_70_a_token_that_ends_in_the_middle_of_a_list_ends_the_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.page_size = 1
    ehr.put(prescription(), prescription(id="rx-2"))
    first = bundle([{"resource": prescription()}], [{"relation": "next", "url": "MedicationRequest?_page=2"}])
    ehr.answer("GET MedicationRequest", first, Reply(401))
    with pytest.raises(ChartForbidden):
        page(access, by)
    assert AuditEvent.objects.get().reason == "http_401"


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "not permitted"), (404, "not offered by this EHR"), (400, "not offered by this EHR"),
        (410, "did not answer"),
        (429, "busy, try again in 15 minutes or later"), (500, "did not answer"), (302, "did not answer"),
    ],
)  # fmt: skip
def test_70_a_type_that_cannot_be_read_does_not_take_the_others_with_it(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, said: str
) -> None:
    ehr.put(prescription())
    ehr.answer("GET DeviceRequest", Reply(status, b"{}", {"Retry-After": "86400", "Location": "https://evil.example"}))
    found = page(access, by)
    assert names(found) == [("Metformin 500 mg", "")]
    assert found.unread == (f"DeviceRequest: {said}",)


@pytest.mark.smart("H70")
@pytest.mark.parametrize(("status", "gone"), [(404, True), (410, True)])
def test_70_an_order_that_is_gone_is_none(ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, gone: bool) -> None:
    ehr.put(prescription())
    ehr.answer("GET DeviceRequest/d", Reply(status))
    wanted = {"a": ("MedicationRequest", "rx-1"), "b": ("DeviceRequest", "d")}
    found = door.disclose_orders(access, wanted, by=by, at=AT)
    assert found["b"] is None
    assert found["a"] is not None


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("status", "error"), [(401, ChartForbidden), (403, ChartForbidden), (429, ChartUnreadable), (503, ChartUnreadable)]
)
def test_70_an_order_that_cannot_be_read_now_is_not_taken_for_gone(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, error: type[Exception]
) -> None:
    ehr.answer("GET MedicationRequest/rx-1", Reply(status))
    with pytest.raises(error):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, ""), ({"deceasedBoolean": True}, "patient_deceased"),
        ({"deceasedDateTime": "2026-11-01"}, "patient_deceased"),
        ({"active": False}, "patient_inactive"), ({"link": [{"type": "replaced-by"}]}, "patient_merged"),
        ({"meta": {"security": [{"code": "R"}]}}, "restricted_label"),
        ({"modifierExtension": [{"url": "http://x"}]}, "modifier_extension"),
        ({"birthDate": "2020-01-01"}, "patient_minor"),
    ],
)  # fmt: skip
def test_70_what_stands_against_the_patient_by_now_stands_against_the_order(
    ehr: FakeEhr, access: FhirAccess, by: Actor, changes: Json, refusal: str
) -> None:
    ehr.put(prescription(), patient(**changes))
    found = door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)["a"]
    assert found is not None
    assert found.state.refusal == refusal
    assert len(ehr.asked) == 2  # the patient beside the order, in the same round


@pytest.mark.smart("H70")
@pytest.mark.parametrize(
    ("status", "error"), [(401, ChartForbidden), (403, ChartForbidden), (429, ChartUnreadable), (503, ChartUnreadable)]
)
def test_70_no_order_is_believed_while_its_patient_cannot_be_read(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, error: type[Exception]
) -> None:
    ehr.put(prescription())
    ehr.answer("GET Patient/cy", Reply(status))
    with pytest.raises(error):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


@pytest.mark.smart("H70")
def test_70_a_patient_who_is_gone_is_sold_nothing(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription())
    ehr.answer("GET Patient/cy", Reply(410))
    found = door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)["a"]
    assert found is not None
    assert found.state.refusal == "patient_inactive"


@pytest.mark.smart("H70")
def test_70_another_patient_in_place_of_ours_stops_the_fresh_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.put(prescription())
    ehr.answer("GET Patient/cy", reply(patient(id="bo")))
    with pytest.raises(WrongPatient):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


@pytest.mark.smart("H70")
def test_70_a_reference_that_does_not_answer_is_not_taken_for_a_change(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.put(prescription(requester={"reference": "Practitioner/p1", "display": "Ada"}))
    ehr.answer("GET Practitioner/p1", Reply(503))
    with pytest.raises(ChartUnreadable):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


def test_an_ehr_that_is_down_is_unreadable(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    access = opened(base="http://127.0.0.1:1/fhir/R4")
    with pytest.raises(ChartUnreadable):
        page(access, by)
