"""The audit as FHIR R4 AuditEvent: valid R4, and with what the IHE BALP 1.1.4 profiles demand."""

import base64
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from fhirclient.models.auditevent import AuditEvent as FhirAuditEvent

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import accounting, balp
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from tests.factories import NOW, organization

ADA = audit.Actor("user", "ada")
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def made(clinic: Organization, action: str, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "organization_id": clinic.pk, "by": ADA, "action": action, "entity": "launch:1", "at": NOW,
        "purpose": "prescription", "elements": ["MedicationRequest.status", "Patient.birthDate"], "customer_key": "cy",
        "recipient": "supplier:1", **more,
    }  # fmt: skip
    row = audit.record(**fields)
    found = balp.resource(AuditEvent.objects.get(pk=row.pk))
    assert FhirAuditEvent(found, strict=True).as_json()["resourceType"] == "AuditEvent"
    return found


def profiles(resource: dict[str, Any]) -> list[str]:
    return [url.rpartition("IHE.BasicAudit.")[2] for url in resource.get("meta", {}).get("profile", [])]


def agent(resource: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = [one for one in resource["agent"] if one["type"]["coding"][0]["code"] == code]
    return dict(found)


def entity(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [one for one in resource["entity"] if one["type"]["code"] == kind]
    return dict(found)


def has_patient(resource: dict[str, Any]) -> bool:
    person = entity(resource, "1")
    name = person["what"]["identifier"]["value"]
    assert (person["role"]["code"], person["what"]["type"]) == ("1", "Patient")
    return bool(name == audit.patient_ref("cy").hex())


@pytest.mark.parametrize("action", sorted(accounting.OUTWARD))
def test_what_goes_out_is_a_privacy_disclosure_at_the_source(clinic: Organization, action: str) -> None:
    found = made(clinic, action, entity="fulfillment:1")
    assert profiles(found) == ["PrivacyDisclosure.Source"]
    assert (found["type"]["system"], found["type"]["code"], found["action"]) == (DCM, "110106", "R")
    assert [one["code"] for one in found["subtype"]] == ["disclose", action]
    assert found["outcome"] == "0"
    assert found["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    source, recipient = agent(found, "110153"), agent(found, "110152")
    assert source["who"] == found["source"]["observer"]  # val-audit-source
    assert recipient["who"]["identifier"]["value"] == "supplier:1"
    assert source["network"]["address"]
    assert recipient["network"]["address"] == "urn:ehrcommerce:supplier:1"
    assert has_patient(found)
    assert [one["valueString"] for one in entity(found, "2")["detail"]] == [
        "MedicationRequest.status", "Patient.birthDate",
    ]  # fmt: skip


@pytest.mark.parametrize("action", balp.SEARCHES)
def test_a_search_is_a_patient_query(clinic: Organization, action: str) -> None:
    found = made(clinic, action)
    assert profiles(found) == ["PatientQuery", "OAUTHaccessTokenUse.Opaque"]
    assert (found["type"]["code"], found["action"], found["subtype"][0]["code"]) == ("rest", "E", "search")
    assert agent(found, "110153")["who"] == found["source"]["observer"]
    asked = entity(found, "2")
    assert asked["role"]["code"] == "24"
    assert "what" not in asked
    assert "detail" not in asked
    assert base64.b64decode(asked["query"]) == b"_elements=MedicationRequest.status,Patient.birthDate"
    token = agent(found, "UserOauthAgent")
    assert token["requestor"] is True
    assert token["policy"] == ["urn:ehrcommerce:launch:1"]
    assert has_patient(found)


def test_a_read_without_a_clinician_is_a_patient_read(clinic: Organization) -> None:
    found = made(clinic, "dispatch.read", entity="order:1", by=audit.system("fulfillment"))
    assert profiles(found) == ["PatientRead"]
    assert (found["type"]["code"], found["action"], found["subtype"][0]["code"]) == ("rest", "R", "read")
    assert agent(found, "110152")["who"] == found["source"]["observer"]
    assert agent(found, "110153")["network"]["address"]
    assert agent(found, "IRCP")["requestor"] is True
    assert entity(found, "2")["role"]["code"] == "4"
    assert has_patient(found)


@pytest.mark.parametrize(
    ("outcome", "code"), [("failure", "4"), ("security", "8"), ("refused", "4"), ("needs_human", "4")]
)
def test_what_failed_claims_no_profile_of_a_success(clinic: Organization, outcome: str, code: str) -> None:
    found = made(clinic, "chart.read", outcome=outcome, reason="http_403")
    assert profiles(found) == []
    assert (found["outcome"], found["outcomeDesc"]) == (code, f"{outcome} http_403")


def test_each_event_has_one_requestor(clinic: Organization) -> None:
    for action in ("chart.read", "address.read", "link.sent", "order.placed", "product.changed"):
        found = made(clinic, action)
        assert Counter(one["requestor"] for one in found["agent"])[True] == 1


def test_lines_are_of_this_clinic_and_this_time(clinic: Organization) -> None:
    made(clinic, "order.placed")
    made(clinic, "order.placed", at=NOW + timedelta(days=1))
    other = organization()
    audit.record(organization_id=other.pk, by=ADA, action="x.y", entity="e:1", at=NOW)
    lines = list(balp.lines(other.pk, since=NOW, until=NOW + timedelta(hours=1)))
    assert [json.loads(line)["subtype"][0]["code"] for line in lines] == ["x.y"]
    assert list(balp.lines(clinic.pk, since=NOW, until=NOW + timedelta(hours=1))) == []  # not inside its walls
