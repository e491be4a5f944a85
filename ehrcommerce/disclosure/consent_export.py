"""Consents as FHIR R4 Consent: who said yes to what, to whom, from when until when, and to exactly which words."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from ehrcommerce.audit.services import patient_ref
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.policy.table import ACT_REASON

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
Json = dict[str, Any]


def lines(organization_id: int) -> Iterator[str]:
    """NDJSON, oldest first. Call inside the walls."""
    rows = Consent.objects.filter(organization_id=organization_id).select_related("text", "organization").order_by("pk")
    for row in rows.iterator(chunk_size=500):
        yield json.dumps(resource(row), separators=(",", ":"), ensure_ascii=False) + "\n"


def resource(row: Consent) -> Json:
    """One Consent. The person bears the audit's name, so that the two books can be laid side by side.

    FHIR's Attachment.hash is SHA-1; ours is SHA-256 over language and text, and stands as an identifier of the words.
    """
    words, person = row.text, patient_ref(row.customer_key).hex()
    period = {"start": row.given_at.isoformat()}
    if row.withdrawn_at:
        period["end"] = row.withdrawn_at.isoformat()
    why = ACT_REASON.get(row.purpose, "")
    return {
        "resourceType": "Consent", "id": str(row.public_id),
        "identifier": [
            _name("consent-text", f"sha256:{bytes(words.sha256).hex()}"), _name("consent-subject", row.subject),
        ],
        # FHIR has no word for "taken back": inactive, with the end of the period.
        "status": "inactive" if row.withdrawn_at else "active",
        "scope": _concept(f"{TERMINOLOGY}consentscope", "patient-privacy"),
        "category": [_concept("http://loinc.org", "59284-0"), _concept(f"{TERMINOLOGY}v3-ActCode", "IDSCL")],
        "patient": {"type": "Patient", "identifier": _name("patient", person)},
        "dateTime": row.given_at.isoformat(),
        "performer": [_performer(row, person)],
        "organization": [{"identifier": _name("organization", str(row.organization.public_id))}],
        "sourceAttachment": {
            "contentType": "text/plain; charset=utf-8", "language": words.language,
            "data": base64.b64encode(words.text.encode()).decode(), "creation": words.first_shown_at.isoformat(),
        },
        "policyRule": _concept(f"{TERMINOLOGY}v3-ActCode", "OPTIN"),
        "verification": [{"verified": row.identity_level >= 2, "verificationDate": row.given_at.isoformat()}],
        "provision": {
            "type": "permit", "period": period,
            "actor": [
                {
                    "role": _concept(f"{TERMINOLOGY}v3-ParticipationType", "IRCP"),
                    "reference": {"identifier": _name("name", row.recipient), "display": row.recipient_name},
                }
            ],
            "action": [_concept(f"{TERMINOLOGY}consentaction", "disclose")],
            **({"purpose": [{"system": f"{TERMINOLOGY}v3-ActReason", "code": why}]} if why else {}),
        },
    }  # fmt: skip


def _performer(row: Consent, person: str) -> Json:
    """Who said it: the patient, or somebody for them, by what they are to the patient and never by name."""
    if not row.acting:
        return {"type": "Patient", "identifier": _name("patient", person)}
    return {"type": "RelatedPerson", "identifier": _name("acting", row.acting), "display": row.acting.replace("_", " ")}


def _name(kind: str, value: str) -> Json:
    return {"system": f"{settings.BASE_URL}/audit/{kind}", "value": value}


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}
