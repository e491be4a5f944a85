"""The full form of one MedicationRequest as an ambulatory EHR writes it: what a purchase needs, in the midst of much
that it does not."""

from datetime import date
from typing import Any

from . import patients as who
from .clinic import ADA, CLINICIAN_NAMES, LUND
from .medicines import MEDICINES, Medicine
from .shapes import (
    CHART_ONLY,
    SITE,
    SNOMED,
    TERMINOLOGY,
    Resource,
    amount,
    concept,
    days_ago,
    instant,
    narrative,
    note,
    order_context,
    reason,
    ref,
)

ONCE_DAILY = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
TWICE_DAILY = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}


def by_reference(key: str) -> Resource:
    return {"medicationReference": ref(MEDICINES[key].reference, MEDICINES[key].display)}


def rx(
    key: str,
    patient: str,
    medicine: str,
    today: date,
    signed_days_ago: int,
    *,
    sig: str = "",
    quantity: str = "",
    days: int = 0,
    refills: int = 3,
    status: str = "active",
    intent: str = "order",
    drug: Resource | None = None,
    dose: Resource | None = None,
    timing: Resource | None = None,
    as_needed: bool = False,
    structured: bool = True,
    why: tuple[str, str] = ("Follow-up", "Z09"),
    validity: Resource | None = None,
    **other: Any,
) -> Resource:
    """A MedicationRequest as an ambulatory EHR writes it, chart-only parts included; `other` adds or overrides."""
    signed = instant(today, signed_days_ago)
    clinician = who.clinician_of(patient)
    names = MEDICINES[medicine]
    sig = sig or names.usual_sig
    count = quantity or str(names.pack)
    return {
        "resourceType": "MedicationRequest",
        "id": key,
        "text": narrative(f"{names.display}: {sig}"),
        **order_context(patient),
        "identifier": [{"system": f"{SITE}/order-number", "value": f"{CHART_ONLY}-order-{key}"}],
        "status": status,
        "intent": intent,
        "category": [concept(f"{TERMINOLOGY}/medicationrequest-category", "community", "Community")],
        **(drug or {"medicationCodeableConcept": names.concept()}),
        "subject": ref(f"Patient/{patient}"),
        "authoredOn": signed,
        "requester": ref(f"Practitioner/{clinician}", CLINICIAN_NAMES[clinician]),
        "recorder": ref(f"Practitioner/{LUND if clinician == ADA else ADA}", f"{CHART_ONLY} recorder"),
        "reasonCode": reason(*why),
        "supportingInformation": [{"display": f"{CHART_ONLY} supporting information"}],
        "insurance": [{"display": f"{CHART_ONLY} insurance"}],
        "note": note(f"Discussed with the patient: {why[0]}", signed),
        "dosageInstruction": [_dosage(names, sig, dose, timing, as_needed) if structured else _free_text(sig)],
        "dispenseRequest": {
            "validityPeriod": validity
            or {"start": days_ago(today, signed_days_ago), "end": days_ago(today, signed_days_ago - 365)},
            "numberOfRepeatsAllowed": refills,
            "quantity": amount(count, names.unit),
            "expectedSupplyDuration": amount(str(days or names.days), "days", "d"),
        },
        "substitution": {"allowedBoolean": True, "reason": {"text": f"{CHART_ONLY} substitution reason"}},
        **other,
    }


def _free_text(sig: str) -> Resource:
    return {
        "sequence": 1,
        "text": sig,
        "additionalInstruction": [{"text": f"{CHART_ONLY} additional instruction"}],
        "patientInstruction": f"{CHART_ONLY} patient instruction",
    }


def _dosage(names: Medicine, sig: str, dose: Resource | None, timing: Resource | None, as_needed: bool) -> Resource:
    inhaled = names.unit == "inhaler"
    usual = (
        amount("2", "puff", "{puff}") if inhaled else amount("1", names.unit, "{tbl}" if names.unit == "tablet" else "")
    )
    route = (
        concept(SNOMED, "447694001", "Respiratory tract route")
        if inhaled
        else concept(SNOMED, "26643006", "Oral route")
    )
    return _free_text(sig) | {
        "timing": timing or (TWICE_DAILY if names.twice_daily else ONCE_DAILY),
        **_as_needed(inhaled, as_needed),
        "route": route,
        "doseAndRate": [{"doseQuantity": dose or usual}],
    }


def _as_needed(inhaled: bool, as_needed: bool) -> Resource:
    """R4 has one element for "as needed" and another that also says for what: an indication, so chart-only."""
    if as_needed and not inhaled:
        return {"asNeededCodeableConcept": {"text": f"{CHART_ONLY} indication"}}
    return {"asNeededBoolean": as_needed}
