"""Device orders (DeviceRequest) and laboratory, imaging and home-collection orders (ServiceRequest) of the demo.

R4 gives a DeviceRequest no quantity: the number of boxes stands in `parameter`, or nowhere. Some EHRs put HCPCS
codes under the URI of CPT; the mask below is coded so."""

from datetime import date
from typing import Any

from . import patients as who
from .clinic import CLINICIAN_NAMES
from .shapes import (
    CHART_ONLY,
    CPT,
    HCPCS,
    LOINC,
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

LABORATORY = (SNOMED, "108252007", "Laboratory procedure")
IMAGING = (SNOMED, "363679005", "Imaging")


def resources(today: date) -> list[Resource]:
    return [*_devices(today), *_kits(today), *_not_for_sale(today)]


def _devices(today: date) -> list[Resource]:
    boxes = [{"code": {"text": "Quantity"}, "valueQuantity": amount("2", "box")}]
    return [
        _device(
            "marisol-glucose-meter",
            who.MARISOL,
            "E0607",
            "Home blood glucose monitor",
            today,
            0,
            why=("Type 2 diabetes mellitus", "E11.9"),
        ),
        _device(
            "marisol-test-strips",
            who.MARISOL,
            "A4253",
            "Blood glucose test or reagent strips for home blood glucose monitor, per 50 strips",
            today,
            6,
            why=("Type 2 diabetes mellitus", "E11.9"),
            parameter=boxes,
        ),
        _device(
            "marisol-cpap-nasal-mask",
            who.MARISOL,
            "A7034",
            "Nasal interface (mask or cannula type) used with positive airway pressure device",
            today,
            20,
            system=CPT,
            why=("Obstructive sleep apnea", "G47.33"),
        ),
        # Rented and fitted by hand: known to the catalog, without a price.
        _device(
            "marisol-cpap",
            who.MARISOL,
            "E0601",
            "Continuous positive airway pressure (CPAP) device",
            today,
            20,
            why=("Obstructive sleep apnea", "G47.33"),
        ),
        _device(
            "lucia-blood-pressure-monitor",
            who.LUCIA,
            "A4670",
            "Automatic blood pressure monitor",
            today,
            4,
            why=("Essential hypertension", "I10"),
        ),
        _device(
            "joanna-ankle-gauntlet",
            who.JOANNA,
            "L1902",
            "Ankle orthosis, ankle gauntlet or similar, prefabricated, off-the-shelf",
            today,
            2,
            why=("Sprain of ankle", "S93.409A"),
        ),
        _device(
            "edgar-walker",
            who.EDGAR,
            "E0143",
            "Walker, folding, wheeled, adjustable or fixed height",
            today,
            8,
            why=("Unsteady gait", "R26.81"),
        ),
        _device(
            "priya-wrist-splint",
            who.PRIYA,
            "L3908",
            "Wrist hand orthosis, wrist extension control cock-up, prefabricated, off-the-shelf",
            today,
            5,
            why=("Carpal tunnel syndrome", "G56.00"),
        ),
        _device(
            "tobias-nebulizer-revoked", who.TOBIAS, "E0570", "Nebulizer, with compressor", today, 24, status="revoked"
        ),
        _device(
            "grace-compression-stockings",
            who.GRACE,
            "A6530",
            "Gradient compression stocking, below knee, 18-30 mmHg, each",
            today,
            2,
            why=("Varicose veins", "I83.90"),
        ),
        # Still ordered by habit, no longer sold.
        _device(
            "grace-full-face-mask",
            who.GRACE,
            "A7030",
            "Full face mask used with positive airway pressure device, each",
            today,
            30,
        ),
        _device("ruth-walker", who.RUTH, "E0143", "Walker, folding, wheeled, adjustable or fixed height", today, 50),
        _device("noah-nebulizer", who.NOAH, "E0570", "Nebulizer, with compressor", today, 4),
    ]


def _kits(today: date) -> list[Resource]:
    """Tests that the patient collects at home."""
    return [
        _service(
            "marisol-hba1c-kit",
            who.MARISOL,
            (LOINC, "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
            today,
            0,
            why=("Type 2 diabetes mellitus", "E11.9"),
        ),
        _service(
            "lucia-lipid-kit",
            who.LUCIA,
            (LOINC, "57698-3", "Lipid panel with direct LDL - Serum or Plasma"),
            today,
            4,
            why=("Hyperlipidemia", "E78.5"),
        ),
        _service(
            "joanna-tsh-kit",
            who.JOANNA,
            (LOINC, "3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"),
            today,
            9,
            why=("Hypothyroidism", "E03.9"),
        ),
        _service(
            "priya-vitamin-d-kit",
            who.PRIYA,
            (LOINC, "62292-8", "25-hydroxyvitamin D3+25-hydroxyvitamin D2 [Mass/volume] in Serum or Plasma"),
            today,
            5,
            why=("Vitamin D deficiency", "E55.9"),
        ),
        # Not signed yet: once somebody signs them, a rule of the demo clinic sends the kit by itself.
        _service(
            "tobias-ferritin-draft",
            who.TOBIAS,
            (LOINC, "2276-4", "Ferritin [Mass/volume] in Serum or Plasma"),
            today,
            1,
            why=("Iron deficiency", "E61.1"),
            status="draft",
        ),
        _service(
            "tobias-vitamin-d-draft",
            who.TOBIAS,
            (LOINC, "62292-8", "25-hydroxyvitamin D3+25-hydroxyvitamin D2 [Mass/volume] in Serum or Plasma"),
            today,
            1,
            why=("Vitamin D deficiency", "E55.9"),
            status="draft",
        ),
        _service(
            "grace-fit-kit",
            who.GRACE,
            (LOINC, "29771-3", "Hemoglobin.gastrointestinal.lower [Presence] in Stool by Immunoassay"),
            today,
            2,
            why=("Screening for colon cancer", "Z12.11"),
        ),
        _service(
            "hector-kidney-kit",
            who.HECTOR,
            (LOINC, "9318-7", "Albumin/Creatinine [Mass Ratio] in Urine"),
            today,
            11,
            why=("Essential hypertension", "I10"),
        ),
        _service(
            "hector-hba1c-on-hold",
            who.HECTOR,
            (LOINC, "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
            today,
            12,
            status="on-hold",
        ),
    ]


def _not_for_sale(today: date) -> list[Resource]:
    return [
        # Drawn at the laboratory, not at home: no product answers to these codes.
        _service(
            "hector-blood-count", who.HECTOR, (LOINC, "58410-2", "CBC panel - Blood by Automated count"), today, 11
        ),
        _service(
            "lucia-metabolic-panel",
            who.LUCIA,
            (LOINC, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"),
            today,
            4,
        ),
        _service(
            "marisol-chest-x-ray",
            who.MARISOL,
            (LOINC, "36643-5", "XR Chest 2 Views"),
            today,
            6,
            category=IMAGING,
            why=("Cough", "R05.9"),
        ),
    ]


def _common(
    kind: str, key: str, patient: str, name: str, today: date, signed_days_ago: int, status: str, why: tuple[str, str]
) -> Resource:
    signed = instant(today, signed_days_ago)
    clinician = who.clinician_of(patient)
    return {
        "resourceType": kind,
        "id": key,
        "text": narrative(name),
        **order_context(patient),
        "identifier": [{"system": f"{SITE}/order-number", "value": f"{CHART_ONLY}-order-{key}"}],
        "status": status,
        "intent": "order",
        "subject": ref(f"Patient/{patient}"),
        "authoredOn": signed,
        "requester": ref(f"Practitioner/{clinician}", CLINICIAN_NAMES[clinician]),
        "reasonCode": reason(*why),
        "insurance": [{"display": f"{CHART_ONLY} insurance"}],
        "supportingInfo": [{"display": f"{CHART_ONLY} supporting information"}],
        "note": note(f"Discussed with the patient: {why[0]}", signed),
    }


def _device(
    key: str,
    patient: str,
    code: str,
    name: str,
    today: date,
    signed_days_ago: int,
    *,
    system: str = HCPCS,
    status: str = "active",
    why: tuple[str, str] = ("Follow-up", "Z09"),
    **other: Any,
) -> Resource:
    return {
        **_common("DeviceRequest", key, patient, name, today, signed_days_ago, status, why),
        "codeCodeableConcept": concept(system, code, name),
        "occurrencePeriod": {"start": days_ago(today, signed_days_ago)},
        **other,
    }


def _service(
    key: str,
    patient: str,
    test: tuple[str, str, str],
    today: date,
    signed_days_ago: int,
    *,
    status: str = "active",
    category: tuple[str, str, str] = LABORATORY,
    why: tuple[str, str] = ("Follow-up", "Z09"),
    **other: Any,
) -> Resource:
    return {
        **_common("ServiceRequest", key, patient, test[2], today, signed_days_ago, status, why),
        "category": [concept(*category)],
        "code": concept(*test),
        "occurrenceDateTime": days_ago(today, signed_days_ago),
        "specimen": [{"display": f"{CHART_ONLY} specimen"}],
        "bodySite": [{"text": f"{CHART_ONLY} body site"}],
        "patientInstruction": f"{CHART_ONLY} patient instruction",
        "locationCode": [
            concept(f"{TERMINOLOGY}/v3-RoleCode", "PTRES", "Patient's Residence", text=f"{CHART_ONLY} location")
        ],
        **other,
    }
