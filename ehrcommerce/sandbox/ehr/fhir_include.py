"""`_include`: the resources that the matches of a search point at, as far as the token reaches."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db.models import Q

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_access import Access
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource
from ehrcommerce.sandbox.ehr.surroundings import here

ELEMENT_OF: Final[dict[str, str]] = {
    "MedicationRequest:medication": "medicationReference",
    "MedicationRequest:requester": "requester",
    "MedicationRequest:patient": "subject",
    "MedicationRequest:subject": "subject",
    "DeviceRequest:requester": "requester",
    "DeviceRequest:device": "codeReference",
    "DeviceRequest:patient": "subject",
    "DeviceRequest:subject": "subject",
    "ServiceRequest:requester": "requester",
    "ServiceRequest:patient": "subject",
    "ServiceRequest:subject": "subject",
    "Coverage:payor": "payor",
    "Coverage:beneficiary": "beneficiary",
    "Coverage:patient": "beneficiary",
    "Task:focus": "focus",
    "Task:patient": "for",
}
"""`_include` value -> element of the match that holds the reference. Values not listed are ignored."""


def included(page: Sequence[Resource], wishes: Sequence[str], access: Access) -> list[Resource]:
    """The rows that the wishes add to a page, each once, in the order in which they are pointed at."""
    names = list(dict.fromkeys(reference for row in page for reference in _references(row, wishes)))
    present = {row.reference for row in page}
    rows = {row.reference: row for row in _rows([name for name in names if name not in present])}
    found = [rows[name] for name in names if name in rows]
    return [row for row in found if access.allows(row.type, "r", patient=row.patient)]


def _references(row: Resource, wishes: Sequence[str]) -> Iterator[str]:
    elements = [element for wish in wishes for element in _elements(row.type, wish)]
    if not elements:
        return
    resource = fhir_store.content(row)
    for element in elements:
        yield from _named_in(resource.get(element))


def _elements(resource_type: str, wish: str) -> list[str]:
    if wish == "*" or wish == f"{resource_type}:*":
        return [element for name, element in ELEMENT_OF.items() if name.startswith(f"{resource_type}:")]
    element = ELEMENT_OF.get(":".join(wish.split(":")[:2]))
    return [element] if element and wish.startswith(f"{resource_type}:") else []


def _named_in(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        reference = item.get("reference") if isinstance(item, dict) else None
        if isinstance(reference, str):
            yield reference.removeprefix(f"{here().fhir_base}/").partition("/_history/")[0]


def _rows(references: Sequence[str]) -> list[Resource]:
    wish = Q()
    for reference in references:
        resource_type, _, fhir_id = reference.partition("/")
        if fhir_id and "/" not in fhir_id:
            wish |= Q(type=resource_type, fhir_id=fhir_id)
    return list(Resource.objects.filter(wish, deleted=False)) if wish else []


def references_in(resource: Json) -> Iterator[Json]:
    """Every object inside a resource that holds a literal reference."""
    for value in resource.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                if isinstance(item.get("reference"), str):
                    yield item
                yield from references_in(item)
