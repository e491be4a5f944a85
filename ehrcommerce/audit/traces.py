"""What belongs to an order, as the audit names things. The rooms above know it and register how to find out; the audit
holds plain ids and knows none of them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything whose name in the audit speaks of the thing that was asked for, and whose it is."""

    entities: frozenset[str]
    customer_key: str


Tracer = Callable[[int, str], Trace | None]
Finder = Callable[[int, str], list[str]]
_tracers: dict[str, Tracer] = {}
_finders: list[Finder] = []


class NotTraceable(LookupError):
    """Nothing of this kind and id is known here. Use order:<id or number> or offer:<id> of this organization."""


def register(kind: str, tracer: Tracer) -> None:
    """`tracer(organization_id, id)` runs inside the walls; None where there is no such thing."""
    _tracers[kind] = tracer


def trace(organization_id: int, name: str) -> Trace:
    """Of `kind:id`. Raises NotTraceable."""
    kind, _, public_id = name.strip().partition(":")
    found = _tracers[kind](organization_id, public_id.strip()) if kind in _tracers and public_id else None
    if found is None:
        raise NotTraceable
    return found


def register_finder(finder: Finder) -> None:
    """`finder(organization_id, contact)` runs inside the walls: keys of everybody who has this phone or mail address."""
    _finders.append(finder)


def customers_at(organization_id: int, contact: str) -> list[str]:
    """Everybody who is reached there; often one person, in a family several."""
    return sorted({key for finder in _finders for key in finder(organization_id, contact)})
