"""Each way in which a MedicationRequest can say what it orders, from the plain concept to references into nowhere."""

from typing import Any

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.strangers import stranger_origin

INSIDE = "med"


def shaped(resource: Any, shape: str) -> Any:
    """The MedicationRequest with its medication in this shape; anything else as it is."""
    if shape == "as_stored" or not isinstance(resource, dict) or resource.get("resourceType") != "MedicationRequest":
        return resource
    concept, reference = _concept(resource), _reference(resource)
    bare = {name: value for name, value in resource.items() if not name.startswith("medication")}
    display = str(concept.get("text") or "")
    here_at, there = f"{here().fhir_base}/{reference}", f"{stranger_origin()}/fhir/{reference}"
    forms: dict[str, Json] = {
        "concept": {"medicationCodeableConcept": concept},
        "contained": _contained(bare, concept),
        "reference": {"medicationReference": {"reference": reference}},
        "reference_display": {"medicationReference": {"reference": reference, "display": display}},
        "absolute": {"medicationReference": {"reference": here_at, "display": display}},
        "foreign": {"medicationReference": {"reference": there}},
        "protocol_relative": {"medicationReference": {"reference": there.partition(":")[2]}},
        "missing_contained": {"medicationReference": {"reference": "#nothing"}},
        "cyclic": _cyclic(bare),
        "urn": {"medicationReference": {"reference": "urn:uuid:7e1f2c4a-8a55-4c1f-9d7e-0f3d5b6a7c8d"}},
        "identifier": {"medicationReference": {"identifier": {"system": "urn:test", "value": "m-1"}}},
        "both": {"medicationCodeableConcept": concept, "medicationReference": {"reference": reference}},
        "none": {},
    }
    return {**bare, **forms[shape]}


def _holder(resource: Json) -> Json:
    holder = resource.get("medicationReference")
    return holder if isinstance(holder, dict) else {}


def _reference(resource: Json) -> str:
    reference = str(_holder(resource).get("reference") or "")
    return reference if reference.startswith("Medication/") else "Medication/unnamed"


def _concept(resource: Json) -> Json:
    """What is ordered, wherever the resource says it."""
    stored = resource.get("medicationCodeableConcept")
    if isinstance(stored, dict):
        return stored
    display = _holder(resource).get("display")
    code = _target(resource).get("code")
    found = code if isinstance(code, dict) else {}
    return found if found.get("text") or not display else {**found, "text": display}


def _target(resource: Json) -> Json:
    reference = str(_holder(resource).get("reference") or "")
    if reference.startswith("#"):
        inside = [item for item in resource.get("contained", []) if item.get("id") == reference[1:]]
        return inside[0] if inside else {}
    row = fhir_store.find("Medication", reference.rpartition("/")[2])
    return fhir_store.content(row) if row else {}


def _contained(bare: Json, concept: Json) -> Json:
    medication = {"resourceType": "Medication", "id": INSIDE, "code": concept}
    others = [item for item in bare.get("contained", []) if item.get("id") != INSIDE]
    return {"contained": [*others, medication], "medicationReference": {"reference": f"#{INSIDE}"}}


def _cyclic(bare: Json) -> Json:
    first = {"resourceType": "Medication", "id": "a", "ingredient": [{"itemReference": {"reference": "#b"}}]}
    second = {"resourceType": "Medication", "id": "b", "ingredient": [{"itemReference": {"reference": "#a"}}]}
    return {"contained": [*bare.get("contained", []), first, second], "medicationReference": {"reference": "#a"}}
