"""The demo clinic's charts and single orders, as the wire hands them over."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ehrcommerce.disclosure import extract
from ehrcommerce.policy.packets import ChartOrder
from ehrcommerce.sandbox.data.demo import demo_resources
from ehrcommerce.sandbox.data.exact_json import dumps
from ehrcommerce.wire.fhir import read_json

TODAY = date(2026, 11, 2)
BASE = "https://ehr.example/fhir/R4"
Json = dict[str, Any]


def as_read(resource: Mapping[str, Any]) -> Json:
    """Through the wire's own reader: numbers become text with their own characters."""
    return read_json(dumps(dict(resource)).encode())


def key_of(resource_type: str, resource_id: str) -> str:
    return f"key-{resource_type}-{len(resource_id)}-{hash((resource_type, resource_id)) & 0xFFFFFFFF:x}"


DEMO: dict[tuple[str, str], Json] = {
    (one["resourceType"], one["id"]): as_read(one) for one in demo_resources(TODAY)
}  # fmt: skip


def patient_of(raw: Mapping[str, Any]) -> str:
    return str((raw.get("subject") or raw.get("beneficiary"))["reference"]).removeprefix("Patient/")  # type: ignore[index]


def chart(patient_id: str = "cy", found: Mapping[tuple[str, str], Json] | None = None) -> extract.Chart:
    return extract.Chart(BASE, patient_id, key_of, TODAY, found or {})


def demo_order(name: str) -> ChartOrder:
    """A demo order with everything that it points to."""
    resource_type, _, resource_id = name.partition("/")
    raw = DEMO[resource_type, resource_id]
    return extract.order(raw, chart(patient_of(raw), DEMO))


def prescription(**changes: Any) -> Json:
    """Cy's prescription, as plain as can be; a change of None takes the element away."""
    raw: Json = {
        "resourceType": "MedicationRequest", "id": "rx-1", "meta": {"versionId": "3",
        "lastUpdated": "2026-10-30T10:00:00Z"},
        "status": "active", "intent": "order", "subject": {"reference": "Patient/cy"}, "authoredOn": "2026-10-30",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "861007",
            "display": "metformin 500 MG"}],
            "text": "Metformin 500 mg",
        },
        "dosageInstruction": [{"text": "Take 1 tablet twice daily"}],
        "dispenseRequest": {"quantity": {"value": "60", "unit": "tablet"}, "numberOfRepeatsAllowed": "2"},
    }  # fmt: skip
    return {name: value for name, value in {**raw, **changes}.items() if value is not None}


def device(**changes: Any) -> Json:
    raw: Json = {
        "resourceType": "DeviceRequest", "id": "dev-1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/cy"},
        "codeCodeableConcept": {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "code": "E0143"}]},
    }  # fmt: skip
    return {name: value for name, value in {**raw, **changes}.items() if value is not None}


def kit(**changes: Any) -> Json:
    raw: Json = {
        "resourceType": "ServiceRequest", "id": "kit-1", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/cy"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c"}]},
    }  # fmt: skip
    return {name: value for name, value in {**raw, **changes}.items() if value is not None}


def patient(**changes: Any) -> Json:
    raw: Json = {
        "resourceType": "Patient", "id": "cy", "active": True, "birthDate": "1980-05-06",
        "name": [{"use": "official", "family": "Young", "given": ["Cy"]}],
        "telecom": [{"system": "phone", "value": "206-555-0142", "use": "mobile"}],
    }  # fmt: skip
    return {name: value for name, value in {**raw, **changes}.items() if value is not None}
