"""The four ways in which EHRs name a medicine, and the row's own parameters of a search."""

from typing import Any

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure import door
from ehrcommerce.disclosure.access import FhirAccess
from tests.disclosure.charts import Json, device, patient, prescription
from tests.disclosure.conftest import AT, Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, bundle, reply
from tests.disclosure.reading import names, only, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def concept(word: str) -> Json:
    return {"text": word, "coding": [{"system": RXNORM, "code": f"code-of-{word}"}]}


def all_four(ehr: FakeEhr, **changes: Any) -> Json:
    """One prescription that names its medicine in every way there is."""
    ehr.put({"resourceType": "Medication", "id": "m1", "code": concept("read")})
    said = {"reference": "Medication/m1", "display": "display"}
    return prescription(medicationCodeableConcept=concept("concept"), medicationReference=said, **changes)


def read_paths(ehr: FakeEhr) -> list[str]:
    return [path for path in ehr.paths() if path.startswith("Medication/")]


@pytest.mark.parametrize(
    ("order", "name", "reads"),
    [
        ("concept contained display read", "concept", 0), ("read concept", "read", 1), ("display read concept", "read", 1),
        ("contained read", "read", 1), ("concept", "concept", 0), ("contained display", "display", 0),
    ],
)  # fmt: skip
def test_the_row_says_where_the_medicine_is_looked_for(
    ehr: FakeEhr, opened: Open, by: Actor, order: str, name: str, reads: int
) -> None:
    ehr.put(all_four(ehr))
    found = page(opened(honors_include=False, medication_order=tuple(order.split())), by)
    assert names(found) == [(name, "")]
    assert len(read_paths(ehr)) == reads


@pytest.mark.parametrize("include", [True, False])
def test_a_display_is_a_name_and_the_code_is_read(ehr: FakeEhr, opened: Open, by: Actor, include: bool) -> None:
    ehr.put(all_four(ehr) | {"medicationCodeableConcept": None})
    (order,) = page(opened(honors_include=include), by).orders
    assert [coding.code for coding in order.item.codings] == ["code-of-read"]


@pytest.mark.parametrize("medication", [Reply(404), Reply(403), Reply(410)])
def test_a_display_alone_gives_a_name_and_no_code(ehr: FakeEhr, opened: Open, by: Actor, medication: Reply) -> None:
    """The catalog sells it only where an administrator confirmed these words."""
    ehr.put(all_four(ehr) | {"medicationCodeableConcept": None})
    ehr.answer("GET Medication/m1", medication)
    (order,) = page(opened(honors_include=False), by).orders
    assert (order.item.name, order.item.codings) == ("display", ())


def test_an_ehr_whose_medications_are_not_read_is_not_asked_to_send_them_along(
    ehr: FakeEhr, opened: Open, by: Actor
) -> None:
    ehr.put(all_four(ehr) | {"medicationCodeableConcept": None})
    (order,) = page(opened(medication_order=("concept", "contained", "display")), by).orders
    assert (order.item.name, order.item.codings) == ("display", ())
    (asked,) = [one for one in ehr.asked if one.path == "MedicationRequest"]
    assert asked.values("_include") == ["MedicationRequest:requester"]


@pytest.mark.smart("H64")
def test_64_both_kinds_of_medication_are_flagged(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(all_four(ehr), prescription(id="plain"))
    assert names(page(access, by)) == [("concept", ""), ("Metformin 500 mg", "")]
    flag = AuditEvent.objects.get(reason="two_medicines")
    assert (flag.action, flag.outcome, flag.elements) == ("chart.two_medicines", "success", "")


@pytest.mark.smart("H64")
def test_64_nothing_is_flagged_where_nothing_is_odd(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.put(prescription())
    page(access, by)
    assert not AuditEvent.objects.filter(reason="two_medicines").exists()


@pytest.mark.smart("H64")
@pytest.mark.parametrize("status", ["entered-in-error", "Entered-in-Error", "COMPLETED", "Stopped", "cancelled"])
def test_64_what_is_over_is_left_out_whatever_was_asked_and_however_it_is_written(
    ehr: FakeEhr, access: FhirAccess, by: Actor, status: str
) -> None:
    rows = [{"resource": prescription(id="over", status=status)}, {"resource": prescription()}]
    ehr.answer("GET MedicationRequest", bundle(rows))
    assert names(page(access, by)) == [("Metformin 500 mg", "")]


@pytest.mark.smart("H64")
@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Active"}, {"status": "ACTIVE"}, {"status": "unknown"}, {"status": ["active"]},
        {"status": None, "_status": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}},
    ],
)  # fmt: skip
def test_64_a_status_that_is_not_exactly_active_is_not_orderable(changes: Json) -> None:
    assert only(prescription(**changes)).state.refusal == "not_active"


@pytest.mark.smart("H63")
@pytest.mark.parametrize(
    "said",
    [
        {"identifier": {"system": "urn:oid:1", "value": "7"}, "display": "Logical"}, {"type": "Medication", "display": "Logical"},
        {"reference": "urn:oid:1.2.3", "display": "Logical"}, {"reference": "Medication?identifier=x", "display": "Logical"},
    ],
)  # fmt: skip
def test_63_a_logical_reference_is_not_followed(ehr: FakeEhr, opened: Open, by: Actor, said: Json) -> None:
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference=said))
    assert names(page(opened(honors_include=False), by)) == [("Logical", "")]
    assert len(ehr.asked) == 4


@pytest.mark.smart("H63")
def test_63_contained_medications_in_a_circle_end(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    def inner(name: str, other: str) -> Json:
        part = [{"itemReference": {"reference": f"#{other}"}}]
        return {
            "resourceType": "Medication",
            "id": name,
            "ingredient": part,
            "contained": [{"resourceType": "Medication"}],
        }

    contained = [inner("a", "b"), inner("b", "a")]
    said = {"reference": "#a", "display": "Mixture"}
    ehr.put(prescription(medicationCodeableConcept=None, medicationReference=said, contained=contained))
    assert names(page(access, by)) == [("Mixture", "")]
    assert len(ehr.asked) == 4


# -- the row's own parameters ----------------------------------------------------------------------------------------
def asked_with(ehr: FakeEhr, resource_type: str = "MedicationRequest") -> dict[str, list[str]]:
    (one,) = [one for one in ehr.asked if one.path == resource_type]
    return {name: one.values(name) for name, _ in one.query}


def test_the_row_replaces_adds_and_leaves_out(ehr: FakeEhr, opened: Open, by: Actor) -> None:
    said = {"MedicationRequest": "intent=order,plan&status=&_count=10&_include=MedicationRequest:requester"}
    ehr.put(prescription(), prescription(id="old", status="completed"), device())
    found = page(opened(search_parameters=said), by)
    query = asked_with(ehr)
    assert query.pop("_elements")
    assert query == {
        "patient": ["cy"], "intent": ["order,plan"], "_count": ["10"], "_include": ["MedicationRequest:requester"],
    }  # fmt: skip
    assert [one.item.name for one in found.orders] == ["Metformin 500 mg", "E0143"], "the status is checked here"
    assert asked_with(ehr, "DeviceRequest")["status"] == ["active,on-hold,draft"]


@pytest.mark.parametrize("said", ["patient=bo", "patient=", "patient:Patient=bo", "=", "&&", "%%%", "status"])
def test_no_row_can_ask_for_another_patient(ehr: FakeEhr, opened: Open, by: Actor, said: str) -> None:
    ehr.put(patient(id="bo"), prescription(id="of-bo", subject={"reference": "Patient/bo"}), prescription())
    assert len(page(opened(search_parameters={"MedicationRequest": said}), by).orders) == 1
    query = asked_with(ehr)
    assert (query["patient"], query.get("patient:Patient")) == (["cy"], None)


@pytest.mark.smart("H59")
def test_59_a_practitioner_with_another_id_is_noted_too(ehr: FakeEhr, access: FhirAccess, by: Actor) -> None:
    ehr.answer("GET Practitioner/p1", reply({"resourceType": "Practitioner", "id": "p2"}))
    found = door.disclose_chart(access, by=by, at=AT, fhir_user="Practitioner/p1")
    assert found.user is None
    assert AuditEvent.objects.filter(outcome="security", reason="other_resource").count() == 1
