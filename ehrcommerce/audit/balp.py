"""The audit as FHIR R4 AuditEvent after IHE Basic Audit Log Patterns 1.1.4, one resource a line.

| ours                                  | profile                                                              |
| a reading of one resource of a chart  | PatientRead                                                          |
| a search of a chart                   | PatientQuery                                                         |
| either with a clinician's token       | OAUTHaccessTokenUse.Opaque as well                                   |
| something of a person to another party | PrivacyDisclosure.Source                                            |
| whatever else                         | none: a plain AuditEvent that says what we called the act            |

Where we differ, on purpose: a query names the elements that were kept, and no parameter, since parameters hold a
person's id; the token is named by its launch and not by its last 32 characters, since no piece of a token is kept; a
network address is the name of the party, since the audit holds no addresses."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings

from ehrcommerce.audit.accounting import OUTWARD
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.policy.table import ACT_REASON

PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
SEARCHES = ("chart.read", "orders.read", "coverage.read")
# "8" would say that the action stopped the system; ours goes on without the act.
OUTCOME = {"success": "0", "security": "8"}
FAILED = "4"
Json = dict[str, Any]


def lines(organization_id: int, *, since: datetime, until: datetime) -> Iterator[str]:
    """NDJSON, oldest first, in a stream. Call inside the walls."""
    rows = AuditEvent.objects.filter(organization_id=organization_id, at__gte=since, at__lt=until).order_by("pk")
    for row in rows.iterator(chunk_size=2000):
        yield json.dumps(resource(row), separators=(",", ":"), ensure_ascii=False) + "\n"


def resource(row: AuditEvent) -> Json:
    """One AuditEvent."""
    good, person = row.outcome == "success", bytes(row.patient_ref or b"")
    whole: Json = {
        "resourceType": "AuditEvent", "id": f"{row.organization_id}-{row.pk}", "recorded": row.at.isoformat(),
        "outcome": OUTCOME.get(row.outcome, FAILED),
        "source": {"site": settings.BASE_URL, "observer": _us(), "type": [_coding(f"{TERMINOLOGY}security-source-type", "4")]},
    }  # fmt: skip
    if row.reason or not good:
        whole["outcomeDesc"] = " ".join(filter(None, (row.outcome, row.reason)))
    if why := _reasons(row.purpose):
        whole["purposeOfEvent"] = why
    if good and person and row.action in OUTWARD:
        return {**whole, **_disclosure(row)}
    if good and person and row.action.endswith(".read"):
        return {**whole, **_reading(row)}
    return {**whole, **_plain(row)}


def _disclosure(row: AuditEvent) -> Json:
    return {
        "meta": {"profile": [f"{PROFILE}PrivacyDisclosure.Source"]}, "type": _coding(DCM, "110106", "Export"),
        "subtype": [_coding(f"{TERMINOLOGY}iso-21089-lifecycle", "disclose"), _ours(row)], "action": "R",
        "agent": [
            _agent("110153", _us(), settings.BASE_URL), _agent("110152", _name(row.recipient), _urn(row.recipient)),
            _user(row),
        ],
        "entity": [_patient(row), _data(row)],
    }  # fmt: skip


def _reading(row: AuditEvent) -> Json:
    searched, clinician = row.action in SEARCHES, row.entity.startswith("launch:")
    profiles = [f"{PROFILE}{'PatientQuery' if searched else 'PatientRead'}"]
    agents = [
        # In a query the parameters flow from us to the EHR, in a read the data flows from it to us (BALP, DICOM).
        _agent("110153" if searched else "110152", _us(), settings.BASE_URL),
        _agent("110152" if searched else "110153", _name("ehr"), _urn("ehr")), _user(row),
    ]  # fmt: skip
    if clinician:
        profiles.append(f"{PROFILE}OAUTHaccessTokenUse.Opaque")
        kind = _concept("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent")
        agents[-1] = {**_user(row), "requestor": False}
        agents.append({"type": kind, "who": _name(row.actor), "requestor": True, "policy": [_urn(row.entity)]})
    what = _query(row) if searched else _data(row)
    return {
        "meta": {"profile": profiles}, "type": _coding(f"{TERMINOLOGY}audit-event-type", "rest", "Restful Operation"),
        "subtype": [_coding("http://hl7.org/fhir/restful-interaction", "search" if searched else "read"), _ours(row)],
        "action": "E" if searched else "R", "agent": agents, "entity": [_patient(row), what],
    }  # fmt: skip


def _plain(row: AuditEvent) -> Json:
    agents = [_user(row)]
    if row.recipient:
        agents.append(_agent("110152", _name(row.recipient), _urn(row.recipient)))
    entities = [_data(row), *([_patient(row)] if row.patient_ref else [])]
    return {
        "type": _coding(DCM, "110100", "Application Activity"), "subtype": [_ours(row)], "action": "E",
        "agent": agents, "entity": entities,
    }  # fmt: skip


def _user(row: AuditEvent) -> Json:
    """Who acted. The one requestor of the event."""
    kind = _concept(f"{TERMINOLOGY}v3-ParticipationType", "IRCP", "information recipient")
    return {"type": kind, "who": _name(row.actor), "requestor": True}


def _agent(role: str, who: Json, address: str) -> Json:
    return {"type": _concept(DCM, role), "who": who, "requestor": False, "network": {"address": address, "type": "5"}}


def _patient(row: AuditEvent) -> Json:
    name = {"system": f"{settings.BASE_URL}/audit/patient", "value": bytes(row.patient_ref or b"").hex()}
    return {
        "what": {"type": "Patient", "identifier": name}, "type": _coding(f"{TERMINOLOGY}audit-entity-type", "1", "Person"),
        "role": _coding(f"{TERMINOLOGY}object-role", "1", "Patient"),
    }  # fmt: skip


def _data(row: AuditEvent) -> Json:
    """What it was about, with the names of the elements."""
    whole: Json = {
        "what": _name(row.entity), "type": _coding(f"{TERMINOLOGY}audit-entity-type", "2", "System Object"),
        "role": _coding(f"{TERMINOLOGY}object-role", "4", "Domain Resource"),
    }  # fmt: skip
    if row.elements:
        whole["detail"] = [{"type": "element", "valueString": name} for name in row.elements.split(",")]
    return whole


def _query(row: AuditEvent) -> Json:
    asked = f"_elements={row.elements}"
    return {
        "type": _coding(f"{TERMINOLOGY}audit-entity-type", "2", "System Object"),
        "role": _coding(f"{TERMINOLOGY}object-role", "24", "Query"), "description": row.entity,
        "query": base64.b64encode(asked.encode()).decode(),
    }  # fmt: skip


def _reasons(purpose: str) -> list[Json]:
    codes = dict.fromkeys(ACT_REASON[one] for one in purpose.split(",") if one in ACT_REASON)
    return [_concept(f"{TERMINOLOGY}v3-ActReason", code) for code in codes]


def _ours(row: AuditEvent) -> Json:
    return _coding(f"{settings.BASE_URL}/audit/action", row.action)


def _us() -> Json:
    return {"identifier": {"system": f"{settings.BASE_URL}/audit/name", "value": "ehrcommerce"}}


def _name(ours: str) -> Json:
    """`kind:opaque id` as a logical reference."""
    return {"identifier": {"system": f"{settings.BASE_URL}/audit/name", "value": ours}}


def _urn(ours: str) -> str:
    return f"urn:ehrcommerce:{ours.replace(' ', '-')}"


def _coding(system: str, code: str, display: str = "") -> Json:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def _concept(system: str, code: str, display: str = "") -> Json:
    return {"coding": [_coding(system, code, display)]}
