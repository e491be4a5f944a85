"""The clinic that the demo plays in, its two clinicians, and the payers of its patients."""

from typing import Any

from .shapes import CHART_ONLY, NPI, Resource, concept, narrative

CLINIC = "lakeside-family-clinic"
CLINIC_NAME = "Lakeside Family Clinic"
NAIC = "urn:oid:2.16.840.1.113883.6.300"

ADA, LUND = "ada", "lund"
CLINICIAN_NAMES = {ADA: "Dr. Ada Okafor", LUND: "Dr. Erik Lund"}


def users() -> list[dict[str, Any]]:
    """Who may sign in to the sandbox EHR."""
    return [
        {"username": ADA, "password": "demo", "name": CLINICIAN_NAMES[ADA], "fhir_user": f"Practitioner/{ADA}"},
        {"username": LUND, "password": "demo", "name": CLINICIAN_NAMES[LUND], "fhir_user": f"Practitioner/{LUND}"},
    ]


def resources() -> list[Resource]:
    return [
        _organization(CLINIC, CLINIC_NAME, NPI, "1990000436", "prov", "Healthcare Provider", "+12065550100"),
        _organization(
            "cascade-health-plan", "Cascade Health Plan", NAIC, "90011", "ins", "Insurance Company", "+18005550111"
        ),
        _organization(
            "evergreen-mutual", "Evergreen Mutual", NAIC, "90022", "ins", "Insurance Company", "+18005550122"
        ),
        _practitioner(ADA, "Okafor", "Ada", "1234567893", "+12065550102"),
        _practitioner(LUND, "Lund", "Erik", "1990000428", "+12065550103"),
    ]


def _organization(key: str, name: str, system: str, number: str, kind: str, kind_name: str, phone: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": key,
        "text": narrative(name),
        "identifier": [{"system": system, "value": number}],
        "active": True,
        "type": [concept("http://terminology.hl7.org/CodeSystem/organization-type", kind, kind_name)],
        "name": name,
        "telecom": [{"system": "phone", "value": phone, "use": "work"}],
        "address": [
            {
                "use": "work",
                "line": ["900 Shoreline Drive"],
                "city": "Seattle",
                "state": "WA",
                "postalCode": "98101",
                "country": "US",
            }
        ],
    }


def _practitioner(key: str, family: str, given: str, npi: str, phone: str) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": key,
        "text": narrative(f"Dr. {given} {family}"),
        "identifier": [
            {"system": NPI, "value": npi},
            {"use": "secondary", "system": "urn:oid:2.16.840.1.113883.4.814", "value": f"{CHART_ONLY} DEA number"},
        ],
        "active": True,
        "name": [
            {"use": "official", "text": CLINICIAN_NAMES[key], "family": family, "given": [given], "prefix": ["Dr."]}
        ],
        "telecom": [
            {"system": "phone", "value": phone, "use": "work"},
            {"system": "email", "value": f"{key}@lakeside.example", "use": "work"},
        ],
    }
