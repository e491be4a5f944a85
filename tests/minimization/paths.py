"""Every element path of the eight resources that the app reads, to depth four, from fhirclient's R4 model classes: what
a chart can hold, so that the proof plants in all of it and not in what somebody thought of."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

RESOURCES = (
    "Patient", "MedicationRequest", "Coverage", "DeviceRequest", "ServiceRequest", "Medication", "Practitioner",
    "Organization",
)  # fmt: skip
DEPTH = 4
# Filled apart from the walk (charts.py): an extension may hold any type, and a contained resource any resource.
APART = ("extension", "modifierExtension", "contained")
PRIMITIVES = {"str": "text", "bool": "yes", "int": "whole", "float": "number"}
DATES = {"FHIRDate": "day", "FHIRDateTime": "moment", "FHIRInstant": "moment", "FHIRTime": "time"}


@dataclass(frozen=True, slots=True)
class Element:
    """One element as R4 defines it. `kind` is a kind of sentinel, or "" for a structure; `choice` the name of x[x]."""

    name: str
    kind: str
    many: bool
    choice: str
    model: str
    whole: type[Any]


_known: dict[str, tuple[Element, ...]] = {}


def elements(model: type[Any]) -> tuple[Element, ...]:
    """The elements of one R4 type, APART left out."""
    if model.__name__ in _known:
        return _known[model.__name__]
    found = []
    for _, name, kind, many, choice, _ in model().elementProperties():
        if name not in APART:
            said = PRIMITIVES.get(kind.__name__) or DATES.get(kind.__name__, "")
            found.append(Element(name, said, many, choice or "", kind.__name__, kind))
    _known[model.__name__] = tuple(found)
    return _known[model.__name__]


def model_of(resource: str) -> type[Any]:
    found: type[Any] = getattr(import_module(f"fhirclient.models.{resource.lower()}"), resource)
    return found


def walk(model: type[Any], *, depth: int = DEPTH, above: str = "") -> Iterator[str]:
    """Each path, structures and leaves alike."""
    for element in elements(model):
        yield f"{above}{element.name}"
        if not element.kind and depth > 1:
            yield from walk(element.whole, depth=depth - 1, above=f"{above}{element.name}.")


@cache
def every_path() -> frozenset[tuple[str, str]]:
    """(resource, path) of all that must be planted."""
    return frozenset((resource, path) for resource in RESOURCES for path in walk(model_of(resource)))
