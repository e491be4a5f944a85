"""Reads and searches in the clinical chart, on wire's manners. Everything that comes back here is whole and raw: only
the door may import this, and the door lets the table cut it at once.

Several calls go out at the same time, in threads that never touch the database."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import Fault, WrongResource
from ehrcommerce.disclosure.values import Json, Reference, many
from ehrcommerce.policy import derive, table
from ehrcommerce.wire import fhir
from ehrcommerce.wire.errors import WireError
from ehrcommerce.wire.fhir import FhirRefused

AT_ONCE = 8
MOST_REFERENCES = 40
PAGE = "50"
OPEN_STATUSES = "active,on-hold,draft"
INCLUDES = {
    "MedicationRequest": ("MedicationRequest:medication", "MedicationRequest:requester"),
    "DeviceRequest": ("DeviceRequest:requester",),
    "ServiceRequest": ("ServiceRequest:requester",),
    "Coverage": ("Coverage:payor",),
}
Params = list[tuple[str, str]]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Found:
    """Resources of one search. `complete` is false where pages had to be left."""

    resources: tuple[Json, ...]
    complete: bool


def together(calls: Mapping[K, Callable[[], V]]) -> dict[K, V | Fault]:
    """Make all calls, at most AT_ONCE at a time. A fault of the world is an answer; one of the program is raised."""

    def answered(call: Callable[[], V]) -> V | Fault:
        try:
            return call()
        except (FhirRefused, WireError, WrongResource) as fault:
            return fault

    if len(calls) < 2:
        return {name: answered(call) for name, call in calls.items()}
    with ThreadPoolExecutor(min(AT_ONCE, len(calls)), thread_name_prefix="chart") as pool:
        futures = {name: pool.submit(answered, call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def read(access: FhirAccess, reference: Reference, purposes: tuple[str, ...]) -> Json:
    """One resource. Raises FhirRefused, WrongResource and wire.errors."""
    resource_type, resource_id = reference
    params = _elements(access, resource_type, purposes)
    raw = fhir.get(access.partner, access.base, f"{resource_type}/{resource_id}", bearer=access.bearer, params=params)
    if raw.get("resourceType") != resource_type or raw.get("id") != resource_id:
        raise WrongResource
    return raw


def read_all(
    access: FhirAccess, references: Iterable[Reference], purposes: tuple[str, ...]
) -> tuple[dict[Reference, Json], dict[Reference, Fault]]:
    """Distinct references in one round: what came, and what came instead."""
    answers = together({one: partial(read, access, one, purposes) for one in references})
    came = {one: answer for one, answer in answers.items() if isinstance(answer, Mapping)}
    return came, {one: answer for one, answer in answers.items() if not isinstance(answer, Mapping)}


USER = "the user of the launch"


def wave(
    access: FhirAccess, types: Iterable[str], purposes: tuple[str, ...], *, user: Reference | None = None
) -> tuple[Json | Fault, dict[str, Found | Fault]]:
    """The Patient, one search for each type of order, and `user` under the name USER, all at the same time."""
    calls: dict[str, Callable[[], Found]] = {"Patient": partial(_person, access, purposes)}
    if user is not None:
        calls[USER] = lambda: Found((read(access, user, (table.SIGN_IN,)),), complete=True)
    answers = together(calls | {name: partial(search_orders, access, name) for name in types})
    person = answers.pop("Patient")
    return (person.resources[0] if isinstance(person, Found) else person), answers


def _person(access: FhirAccess, purposes: tuple[str, ...]) -> Found:
    return Found((read(access, ("Patient", access.patient_id), purposes),), complete=True)


def search_orders(access: FhirAccess, resource_type: str) -> Found:
    """The open orders of one kind, with what they point to. Asked again without `status` if the EHR refuses that."""
    kind = derive.KIND_OF_TYPE[resource_type]
    params: Params = [("patient", access.patient_id)]
    if resource_type == "MedicationRequest":
        params.append(("intent", "order"))
    try:
        return _search(access, resource_type, [*params, ("status", OPEN_STATUSES)], (kind,))
    except FhirRefused as refused:
        if refused.status != 400:
            raise
    return _search(access, resource_type, params, (kind,))


def search_coverage(access: FhirAccess) -> Found:
    """All plans of the patient, with those who pay."""
    return _search(access, "Coverage", [("patient", access.patient_id)], (table.ELIGIBILITY,))


def _search(access: FhirAccess, resource_type: str, params: Params, purposes: tuple[str, ...]) -> Found:
    wanted = [*params, ("_count", PAGE), *_elements(access, resource_type, purposes)]
    if access.honors_include:
        wanted += [("_include", name) for name in INCLUDES[resource_type]]
    incomplete: list[str] = []
    found = fhir.entries(
        access.partner, access.base, resource_type, bearer=access.bearer, params=wanted, incomplete=incomplete
    )
    return Found(tuple(found), not incomplete)


def _elements(access: FhirAccess, resource_type: str, purposes: tuple[str, ...]) -> Params:
    if not access.honors_elements:
        return []
    return [("_elements", derive.elements(resource_type, purposes))]


def is_whole(raw: Json) -> bool:
    """Whether an included resource came whole. One that `_elements` of another type cut down is read by itself."""
    meta: Any = raw.get("meta")
    tags = many(meta.get("tag")) if isinstance(meta, Mapping) else []
    return all(tag.get("code") != "SUBSETTED" for tag in tags)
