"""Hostile and odd answers, rows 58 to 70 of docs' list of hostile inputs: the door degrades, refuses, or stops."""

import json
from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door, extract
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import ChartForbidden, ChartUnreadable, WrongPatient
from ehrcommerce.policy.packets import ChartOrder, ChartPage
from tests.disclosure.charts import Json, chart, device, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle, reply

pytestmark = pytest.mark.django_db
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


def page(access: FhirAccess, by: Actor) -> ChartPage:
    return door.disclose_chart(access, by=by, at=AT)


def names(found: ChartPage) -> list[tuple[str, str]]:
    return [(one.item.name, one.state.refusal) for one in found.orders]


@pytest.mark.parametrize("body", BODIES)
def test_58_a_search_answered_with_something_else_degrades(
    ehr: FakeEhr, access: FhirAccess, by: Actor, body: bytes
) -> None:
    ehr.put(device())
    ehr.answer("GET MedicationRequest", Reply(200, body))
    found = page(access, by)
    assert names(found) == [("E0143", "")]
    assert found.unread == ("MedicationRequest: did not answer",)


@pytest.mark.parametrize("body", BODIES)
def test_58_a_patient_answered_with_something_else_ends_the_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor, body: bytes
) -> None:
    ehr.answer("GET Patient/cy", Reply(200, body))
    with pytest.raises(ChartUnreadable) as caught:
        page(access, by)
    assert "Young" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_59_a_read_that_returns_another_patient_stops(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET Patient/cy", reply(patient(id="bo")))
    with pytest.raises(WrongPatient):
        page(access, by)
    assert AuditEvent.objects.get().outcome == "security"


def test_59_a_medication_with_another_id_is_thrown_away_and_noted(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    ehr.put(
        prescription(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1", "display": "x"})
    )
    ehr.answer("GET Medication/m1", reply({"resourceType": "Medication", "id": "m2", "code": {"text": "Oxycodone"}}))
    found = page(opened(honors_include=False), by)
    assert names(found) == [("Order that cannot be read", "unreadable")]
    assert AuditEvent.objects.filter(outcome="security", reason="other_resource").count() == 1


def test_59_an_order_with_another_id_is_not_believed(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET MedicationRequest/rx-1", reply(prescription(id="rx-2")))
    with pytest.raises(ChartUnreadable):
        door.disclose_orders(access, {"k": ("MedicationRequest", "rx-1")}, by=by, at=AT)
    assert AuditEvent.objects.get().outcome == "security"


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


def test_60_the_same_in_a_fresh_reading_and_in_a_plan(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription(subject={"reference": "Patient/bo"}))
    with pytest.raises(WrongPatient):
        door.disclose_orders(access, {"k": ("MedicationRequest", "rx-1")}, by=by, at=AT)
    plan = {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/bo"}}
    ehr.answer("GET Coverage", bundle([{"resource": plan}]))
    with pytest.raises(WrongPatient):
        door.disclose_coverage(access, by=by, at=AT)


@pytest.mark.parametrize(
    "subject", [None, {"display": "Cy"}, {"reference": "urn:uuid:1"}, {"reference": "Group/1"}, "x", []]
)
def test_60_an_order_that_proves_no_patient_is_not_read(subject: Any) -> None:
    order = extract.order(prescription(subject=subject), chart())
    assert (order.item.name, order.state.refusal) == ("Order that cannot be read", "unreadable")


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


@pytest.mark.parametrize(
    "url", ["https://evil.example/fhir/R4/x", "//evil.example/x", "/admin", "http://[bad", "", 5, None]
)
def test_62_a_next_link_that_leads_out_is_not_followed(ehr: FakeEhr, access: FhirAccess, by: Actor, url: Any) -> None:
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], [{"relation": "next", "url": url}]))
    found = page(access, by)
    assert len(found.orders) == 1
    assert len(ehr.asked) <= 5
    assert not any(path.startswith("admin") for path in ehr.paths())


def test_62_a_next_link_to_itself_ends(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    again = [{"relation": "next", "url": f"{ehr.base}/MedicationRequest?_page=1"}]
    ehr.answer("GET MedicationRequest", bundle([{"resource": prescription()}], again))
    found = page(access, by)
    assert found.unread == ("MedicationRequest: the list may be incomplete",)
    assert ehr.paths().count("MedicationRequest") == 2


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


def test_63_an_absolute_reference_below_the_base_is_read(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    ehr.put({"resourceType": "Medication", "id": "m1", "code": {"text": "Metformin"}})
    ehr.put(
        prescription(medicationCodeableConcept=None, medicationReference={"reference": f"{ehr.base}/Medication/m1"})
    )
    assert names(page(opened(honors_include=False), by)) == [("Metformin", "")]


def test_63_contained_resources_that_point_at_each_other_end(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    inner = {
        "resourceType": "Medication",
        "id": "a",
        "code": {"text": "A"},
        "ingredient": [{"itemReference": {"reference": "#a"}}],
    }
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference={"reference": "#a"}, contained=[inner]))
    assert names(page(access, by)) == [("A", "")]


def only(raw: Json) -> ChartOrder:
    return extract.order(raw, chart())


def test_64_no_medicine_wrong_status_no_status() -> None:
    assert only(prescription(medicationCodeableConcept=None)).state.refusal == "no_code"
    assert only(prescription(status="Active")).state.refusal == "not_active"
    assert only(prescription(status=None)).state.refusal == "not_active"


def test_65_plans_prohibitions_and_unknown_modifiers_are_not_sold() -> None:
    assert [only(prescription(**change)).state.refusal for change in (
        {"intent": "plan"}, {"doNotPerform": True}, {"modifierExtension": [{"url": "u"}]},
    )] == ["not_an_order", "do_not_perform", "modifier_extension"]  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        ({"value": "90"}, ("90", "")), ({"value": "0.50", "unit": "mL"}, ("0.50", "mL")),
        ({"value": "1.10", "code": "mL"}, ("1.10", "mL")),
        ({"value": "-90", "unit": "tablet"}, ("", "")), ({"value": "1e9"}, ("", "")),
        ({"value": "1000000000"}, ("", "")),
        ({"unit": "tablet"}, ("", "")), ({"value": True}, ("", "")), ({"value": "ninety"}, ("", "")),
        ("90", ("", "")), (None, ("", "")),
        ({"value": "٩٠"}, ("", "")),
    ],
)  # fmt: skip
def test_66_quantities_are_what_they_say_or_unknown(quantity: Any, said: tuple[str, str]) -> None:
    item = only(prescription(dispenseRequest={"quantity": quantity})).item
    assert (item.quantity, item.quantity_unit) == said


@pytest.mark.parametrize(
    ("end", "valid_until"),
    [
        ("2027", "2027"),
        ("2027-05", "2027-05"),
        ("2027-05-06T10:00:00", "2027-05-06"),
        ("6 May", ""),
        ("2027-13-45", ""),
    ],
)
def test_66_dates_are_as_precise_as_they_were_written(end: str, valid_until: str) -> None:
    assert only(prescription(dispenseRequest={"validityPeriod": {"end": end}})).item.valid_until == valid_until


@pytest.mark.parametrize(
    ("words", "clean"),
    [
        ("<script>alert(1)</script>Metformin", "alert(1) Metformin"), ("<<b>b>Met</b>formin", "< b>Met formin"),
        ("abc\u202etxt.exe", "abctxt.exe"), ("a\u0000b\r\nc\td", "a b c d"), ("a\u200bb\ufeff", "ab"), ("\ud800x", "x"),
        ("dose < 5 mg and > 2 mg", "dose < 5 mg and > 2 mg"), ("x" * 1_000_000, "x" * 199 + "…"), ("  ", "E"),
    ],
)  # fmt: skip
def test_67_words_are_stripped_and_capped(words: str, clean: str) -> None:
    name = only(prescription(medicationCodeableConcept={"text": words, "coding": [{"code": "E"}]})).item.name
    assert name == clean


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"deceasedBoolean": True}, "patient_deceased"), ({"active": False}, "patient_inactive"),
        ({"link": [{"type": "replaced-by", "other": {"reference": "Patient/2"}}]}, "patient_merged"),
    ],
)  # fmt: skip
def test_68_nothing_is_sold_from_a_closed_record(
    ehr: FakeEhr, access: FhirAccess, by: Actor, change: Json, refusal: str
) -> None:
    ehr.put(patient(**change), prescription())
    found = page(access, by)
    assert (found.banner.refusal, found.orders[0].state.refusal) == (refusal, refusal)


def test_69_a_restricted_order_says_only_that_it_is_restricted(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(
        prescription(meta={"security": [{"code": "V"}]}), device(meta={"security": [{"code": "R"}]}, status="draft")
    )
    found = page(access, by)
    assert names(found) == [("Order marked as restricted", "restricted_label"), ("Order marked as restricted", "draft")]
    assert "etformin" not in repr(found)


@pytest.mark.parametrize("status", [401, 403])
def test_70_a_patient_that_may_not_be_read(ehr: FakeEhr, access: FhirAccess, by: Actor, status: int) -> None:
    ehr.answer("GET Patient/cy", Reply(status, b"Cy Young"))
    with pytest.raises(ChartForbidden):
        page(access, by)


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


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "not permitted"), (404, "not offered by this EHR"), (400, "not offered by this EHR"),
        (410, "did not answer"),
        (429, "did not answer"), (500, "did not answer"), (302, "did not answer"),
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


@pytest.mark.parametrize(("status", "gone"), [(404, True), (410, True)])
def test_70_an_order_that_is_gone_is_none(ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, gone: bool) -> None:
    ehr.put(prescription())
    ehr.answer("GET DeviceRequest/d", Reply(status))
    wanted = {"a": ("MedicationRequest", "rx-1"), "b": ("DeviceRequest", "d")}
    found = door.disclose_orders(access, wanted, by=by, at=AT)
    assert found["b"] is None
    assert found["a"] is not None


@pytest.mark.parametrize(
    ("status", "error"), [(401, ChartForbidden), (403, ChartForbidden), (429, ChartUnreadable), (503, ChartUnreadable)]
)
def test_70_an_order_that_cannot_be_read_now_is_not_taken_for_gone(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: int, error: type[Exception]
) -> None:
    ehr.answer("GET MedicationRequest/rx-1", Reply(status))
    with pytest.raises(error):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


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


def test_70_a_patient_who_is_gone_is_sold_nothing(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription())
    ehr.answer("GET Patient/cy", Reply(410))
    found = door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)["a"]
    assert found is not None
    assert found.state.refusal == "patient_inactive"


def test_70_another_patient_in_place_of_ours_stops_the_fresh_reading(
    ehr: FakeEhr, access: FhirAccess, by: Actor
) -> None:
    ehr.put(prescription())
    ehr.answer("GET Patient/cy", reply(patient(id="bo")))
    with pytest.raises(WrongPatient):
        door.disclose_orders(access, {"a": ("MedicationRequest", "rx-1")}, by=by, at=AT)


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
