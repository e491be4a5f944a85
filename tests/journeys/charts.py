"""Charts made for one test: a person with a phone of their own and fresh orders, so that tests do not meet."""

import itertools
import secrets
from dataclasses import dataclass, field
from datetime import date
from typing import Any

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
LOINC = "http://loinc.org"
_numbers = itertools.count(1)


@dataclass
class Chart:
    patient: str
    born: str
    phone: str
    email: str
    family: str
    resources: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, str] = field(default_factory=dict)  # kind -> reference


def new_chart(*kinds: str, member: str = "", language: str = "en", email: str = "", born: str = "1968-03-14") -> Chart:
    """`kinds` of prescription, device, kit. `member` is the id in the plan (see the sandbox payer's endings)."""
    number = next(_numbers)
    mark = secrets.token_hex(3)
    patient = f"cy-{mark}-{number}"
    family = f"Vela{mark}"
    chart = Chart(patient, born, f"+1206555{9000 + number:04d}", email, family)
    person: dict[str, Any] = {
        "resourceType": "Patient", "id": patient, "active": True, "birthDate": born, "gender": "female",
        "name": [{"use": "official", "family": family, "given": ["Cy"]}],
        "telecom": [{"system": "phone", "use": "mobile", "value": chart.phone}],
        "address": [
            {"use": "home", "line": ["12 Elm Street"], "city": "Seattle", "state": "WA", "postalCode": "98101", "country": "US"}
        ],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}, "preferred": True}],
    }  # fmt: skip
    if email:
        person["telecom"].append({"system": "email", "value": email})
    chart.resources.append(person)
    for kind in kinds:
        order = _ORDERS[kind](f"{kind}-{mark}-{number}", patient)
        chart.resources.append(order)
        chart.orders[kind] = f"{order['resourceType']}/{order['id']}"
    if member:
        chart.resources.append(_coverage(f"plan-{mark}-{number}", patient, member))
    return chart


def _common(patient: str) -> dict[str, Any]:
    return {
        "status": "active", "intent": "order", "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": date.today().isoformat(), "requester": {"reference": "Practitioner/ada"},
        "note": [{"text": "chart-only note"}], "reasonCode": [{"text": "chart-only reason"}],
    }  # fmt: skip


def _prescription(number: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": number, **_common(patient),
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "861007", "display": "Metformin 500 mg tablet"}], "text": "Metformin 500 mg tablet"},
        "dosageInstruction": [{"text": "Take 1 tablet by mouth twice a day with meals"}],
        "dispenseRequest": {"quantity": {"value": 180, "unit": "tablet"}, "numberOfRepeatsAllowed": 1},
    }  # fmt: skip


def _device(number: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "DeviceRequest", "id": number, **_common(patient),
        "codeCodeableConcept": {"coding": [{"system": HCPCS, "code": "E0607", "display": "Home blood glucose monitor"}], "text": "Blood glucose meter"},
    }  # fmt: skip


def _kit(number: str, patient: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest", "id": number, **_common(patient),
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "108252007"}]}],
        "code": {"coding": [{"system": LOINC, "code": "4548-4", "display": "HbA1c"}], "text": "HbA1c home collection kit"},
    }  # fmt: skip


def _coverage(number: str, patient: str, member: str) -> dict[str, Any]:
    return {
        "resourceType": "Coverage", "id": number, "status": "active", "beneficiary": {"reference": f"Patient/{patient}"},
        "subscriberId": member, "payor": [{"display": "Acme Health Plan", "identifier": {"value": "ACME1"}}],
        "relationship": {"coding": [{"code": "self"}]},
    }  # fmt: skip


_ORDERS = {"prescription": _prescription, "device": _device, "kit": _kit}
