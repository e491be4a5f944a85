"""`_elements`: a resource cut down to what was asked for, tagged SUBSETTED.

Mandatory elements and those that change the meaning of the rest stay, as the specification has it.
"""

from collections.abc import Sequence
from typing import Final

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource

ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
MODIFIERS: Final[dict[str, tuple[str, ...]]] = {
    "Patient": ("active", "deceased", "link"),
    "MedicationRequest": ("status", "intent", "doNotPerform", "reported"),
    "DeviceRequest": ("status", "intent"),
    "ServiceRequest": ("status", "intent", "doNotPerform"),
    "Medication": ("status",),
}
SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}


def cut(row: Resource, elements: Sequence[str], *, bare: bool = False) -> str:
    """The text of the cut resource; bare: without the elements that had to stay, as some servers do it."""
    resource = fhir_store.content(row)
    names = set(elements) if bare else _wanted(row.type, elements)
    kept = {key: value for key, value in resource.items() if _stays(key, names)}
    if "contained" in resource and '"#' in fhir_json.write(kept):
        kept["contained"] = resource["contained"]
    return fhir_json.write({**kept, "meta": _tagged(resource.get("meta") or {})})


def _wanted(resource_type: str, elements: Sequence[str]) -> set[str]:
    asked = {name.removeprefix(f"{resource_type}.") for name in elements}
    return asked | set(fhir_store.MANDATORY.get(resource_type, ())) | set(MODIFIERS.get(resource_type, ()))


def _stays(key: str, names: set[str]) -> bool:
    bare = key.removeprefix("_")
    return bare in ALWAYS or any(fhir_store.is_element(bare, name) for name in names)


def _tagged(meta: Json) -> Json:
    tags = meta.get("tag")
    return {**meta, "tag": [*(tags if isinstance(tags, list) else []), SUBSETTED]}
