"""What medicine a prescription names. EHRs say it in four ways: a code in the order, a Medication inside the order, the
words beside a reference, a Medication to be read; the row of the EHR says in which order they are looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ehrcommerce.disclosure import people, values
from ehrcommerce.disclosure.access import MEDICATION_ORDER
from ehrcommerce.disclosure.values import Json, Reference, at_path
from ehrcommerce.policy import derive
from ehrcommerce.policy.packets import PRESCRIPTION


@dataclass(frozen=True, slots=True)
class Medicine:
    """`concept` is what may hold a code; `resource` the Medication, cut down to its rows, {} where the order itself
    says it; `display` the words beside a reference: a name, never a code."""

    concept: object
    resource: Json
    display: object


def of(raw: Json, kept: Json, *, base: str, order: Sequence[str], found: Mapping[Reference, Json]) -> Medicine:
    """The first place that has something to say. A display does not end the search: without a code it is only a name."""
    said = at_path(kept, "medicationReference", "reference")
    display = at_path(kept, "medicationReference", "display") if "display" in order else None
    for place in order:
        if place == "concept" and kept.get("medicationCodeableConcept"):
            return Medicine(kept["medicationCodeableConcept"], {}, display)
        resource: Json = {}
        if place == "contained":
            resource = people.contained(raw, said, "Medication")
        elif place == "read":
            resource = found.get(values.reference(said, base) or ("", ""), {})
        if resource:
            cut = derive.project(resource, derive.paths("Medication", (PRESCRIPTION,)))
            return Medicine(cut.get("code"), cut, display)
    return Medicine(None, {}, display)


def to_read(kept: Json, *, base: str, order: Sequence[str] = MEDICATION_ORDER) -> Reference | None:
    """The Medication that must be read; None where the order says enough, or the row forbids it."""
    places = list(order)
    if "read" not in places:
        return None
    before = places[: places.index("read")]
    if "concept" in before and kept.get("medicationCodeableConcept"):
        return None
    found = values.reference(at_path(kept, "medicationReference", "reference"), base)
    return found if found and found[0] == "Medication" else None


def is_twice(raw: Json) -> bool:
    """Both kinds of medication[x] at once, which FHIR does not allow: the first place of the row's order wins."""
    return bool(raw.get("medicationCodeableConcept")) and bool(raw.get("medicationReference"))
