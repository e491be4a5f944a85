"""Which element paths FHIR R4 has, asked of fhirclient's models."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

PLAIN = (str, int, float, bool)


@cache
def model(resource: str) -> Any:
    """The model class of a resource type; None where R4 has none."""
    try:
        return getattr(import_module(f"fhirclient.models.{resource.lower()}"), resource)
    except (ImportError, AttributeError):
        return None


@cache
def properties(kind: Any) -> dict[str, tuple[Any, bool]]:
    """JSON name -> type and whether the model says it is a plain value."""
    found = {json: kind_ for _, json, kind_, *_ in kind().elementProperties()}
    return {
        name: (of, of in PLAIN or of.__name__ in ("FHIRDate", "FHIRDateTime", "FHIRInstant", "FHIRTime"))
        for name, of in found.items()
    }


def exists(resource: str, element: str) -> bool:
    """Whether the path ends at a plain value of this resource type, or at an element whose presence is enough."""
    kind = model(resource)
    *way, last = element.split(".")
    for name in way:
        found = properties(kind).get(name) if kind else None
        kind = found[0] if found and not found[1] else None
    found = properties(kind).get(last) if kind else None
    return found is not None and (
        found[1] or last in ("modifierExtension", "reportedReference", "asNeededCodeableConcept")
    )


def modifiers(resource: str) -> Iterator[str]:
    """Every path of a modifierExtension that R4 allows in this resource type."""
    yield from _modifiers(model(resource), "", 0)


def _modifiers(kind: Any, above: str, depth: int) -> Iterator[str]:
    for name, (of, plain) in properties(kind).items():
        if name == "modifierExtension":
            yield f"{above}{name}"
        elif (
            not plain and depth < 4 and name not in ("contained", "extension") and "modifierExtension" in properties(of)
        ):
            yield from _modifiers(of, f"{above}{name}.", depth + 1)
