"""The small FHIR R4 shapes that every demo resource is made of, and the parts of a chart that must never leave it.

`CHART_ONLY` stands in every value that no purchase needs (reasons, notes, narratives, encounters, insurance notes ...).
Whoever finds that word outside the sandbox EHR has found a leak."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

Resource = dict[str, Any]

CHART_ONLY = "chart-only"

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
NPI = "http://hl7.org/fhir/sid/us-npi"
UCUM = "http://unitsofmeasure.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
SITE = "https://lakeside.example/fhir"

PACIFIC = "-08:00"


def days_ago(today: date, days: int) -> str:
    """A FHIR date."""
    return (today - timedelta(days=days)).isoformat()


def instant(today: date, days: int, clock: str = "09:30:00") -> str:
    """A FHIR dateTime in the clinic's own zone."""
    return f"{days_ago(today, days)}T{clock}{PACIFIC}"


def concept(system: str, code: str, display: str, *more: tuple[str, str, str], text: str = "") -> Resource:
    rows = ((system, code, display), *more)
    coding = [{"system": s, "code": c, "display": d} if d else {"system": s, "code": c} for s, c, d in rows]
    return {"coding": coding, "text": text or display}


def ref(target: str, display: str = "") -> Resource:
    return {"reference": target, "display": display} if display else {"reference": target}


def amount(value: str, unit: str, code: str = "") -> Resource:
    """A Quantity whose number keeps its characters: amount("0.50", "tablet", "{tbl}")."""
    exact: int | Decimal = Decimal(value) if "." in value else int(value)
    quantity: Resource = {"value": exact, "unit": unit}
    return quantity | {"system": UCUM, "code": code} if code else quantity


def narrative(words: str) -> Resource:
    """What a person reads in the chart. It names everything, which is why it never crosses."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(words)} ({CHART_ONLY} narrative)</p></div>'
    return {"status": "generated", "div": div}


def reason(words: str, icd10: str) -> list[Resource]:
    return [concept(ICD10, icd10, f"{words} ({CHART_ONLY} reason)")]


def note(words: str, at: str) -> list[Resource]:
    return [{"authorString": f"{CHART_ONLY} author", "time": at, "text": f"{words} ({CHART_ONLY} note)"}]


def order_context(patient: str) -> Resource:
    """Elements that any order may carry and no purchase needs."""
    return {
        "encounter": ref(f"Encounter/{patient}-visit", f"Office visit ({CHART_ONLY} encounter)"),
        "extension": [
            {"url": f"{SITE}/StructureDefinition/internal-priority", "valueString": f"{CHART_ONLY} extension"}
        ],
    }
