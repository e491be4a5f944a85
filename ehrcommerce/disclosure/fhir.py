"""Reads and searches in the clinical chart, on wire's manners. Everything that comes back here is whole and raw: only
the door may import this, and the door lets the table cut it at once.

Several calls go out at the same time, in threads that never touch the database."""

import math
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.errors import Fault, NotRenewed, WrongResource
from ehrcommerce.disclosure.values import Json, Reference, many
from ehrcommerce.policy import derive, table
from ehrcommerce.wire import batch, deadline, fhir
from ehrcommerce.wire.errors import BadAnswer, WireError
from ehrcommerce.wire.fhir import LATER, FhirRefused, Params, Search

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
# The row of an EHR may replace any of our parameters but the one that says whose chart is read.
FIXED = "patient"
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Found:
    """Resources of one search, and which of them were looked for. `complete` is false where pages had to be left."""

    resources: tuple[Json, ...]
    complete: bool
    matches: tuple[Json, ...] = ()


def together(access: FhirAccess, calls: Mapping[K, Callable[[str], V]]) -> dict[K, V | Fault]:
    """Make all calls, at most AT_ONCE at a time, each with the token. A fault of the world is an answer; one of the
    program is raised. Where the EHR says that the token is over, one fresh token is asked for (here, not in the
    threads), and with it those calls go on, once."""
    answers = _round(calls, access.token)
    over = {name: calls[name] for name, answer in answers.items() if _is_over(answer)}
    if not over or not access.may_renew():
        return answers
    try:
        access.renew_token()
    except NotRenewed:
        return answers
    return answers | _round(over, access.token)


def _is_over(answer: object) -> bool:
    return isinstance(answer, FhirRefused) and answer.status == 401


def _round(calls: Mapping[K, Callable[[str], V]], token: str) -> dict[K, V | Fault]:
    # The page's time, told to the threads that work for it.
    until = time.monotonic() + deadline.left_s(math.inf)

    def answered(call: Callable[[str], V]) -> V | Fault:
        try:
            with deadline.within(until - time.monotonic()):
                return call(token)
        except (FhirRefused, WireError, WrongResource) as fault:
            return fault

    if len(calls) < 2:
        return {name: answered(call) for name, call in calls.items()}
    with ThreadPoolExecutor(min(AT_ONCE, len(calls)), thread_name_prefix="chart") as pool:
        futures = {name: pool.submit(answered, call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def read(access: FhirAccess, reference: Reference, purposes: tuple[str, ...], token: str) -> Json:
    """One resource. Raises FhirRefused, WrongResource and wire.errors."""
    path, params = "/".join(reference), _elements(access, reference[0], purposes)
    raw = fhir.get(access.partner, access.base, path, bearer=token, params=params, patience=access.patience)
    return _as_asked(raw, reference)


def _as_asked(raw: Json, reference: Reference) -> Json:
    if (raw.get("resourceType"), raw.get("id")) != reference:
        raise WrongResource
    return raw


def read_all(
    access: FhirAccess, references: Iterable[Reference], purposes: tuple[str, ...]
) -> tuple[dict[Reference, Json], dict[Reference, Fault]]:
    """Distinct references in one round: what came, and what came instead. In one batch where the row says so."""
    wanted = list(dict.fromkeys(references))
    answers = _in_one(access, wanted, purposes) if access.honors_batch and len(wanted) > 1 else {}
    left = [one for one in wanted if one not in answers]
    answers |= together(access, {one: partial(read, access, one, purposes) for one in left})
    came = {one: answers[one] for one in wanted if isinstance(answers[one], Mapping)}
    return came, {one: answers[one] for one in wanted if one not in came}  # type: ignore[misc, return-value]


def _in_one(
    access: FhirAccess, wanted: Sequence[Reference], purposes: tuple[str, ...]
) -> dict[Reference, Json | Fault]:
    """What one batch answered. What is left out is to be read by itself: all of it where the EHR takes no batch, and
    single entries that came too early or with a token that is over."""
    paths = [("/".join(one), _elements(access, one[0], purposes)) for one in wanted]
    call = partial(batch.read, access.partner, access.base, paths)
    answer = together(access, {"batch": lambda token: call(bearer=token)})["batch"]
    if isinstance(answer, tuple):
        return _parts(access, wanted, *answer)
    if isinstance(answer, BadAnswer) or (isinstance(answer, FhirRefused) and answer.status not in LATER):
        return {}
    return dict.fromkeys(wanted, answer)


def _parts(
    access: FhirAccess, wanted: Sequence[Reference], parts: Sequence[batch.Part], wait_s: float | None
) -> dict[Reference, Json | Fault]:
    answers: dict[Reference, Json | Fault] = {}
    again = any(part.status in LATER for part in parts) and access.patience.pause(wait_s, tries=1)
    for one, part in zip(wanted, parts, strict=True):
        if part.status == 401 or (part.status in LATER and again):
            continue
        if 200 <= part.status < 300 and part.resource.get("resourceType") != "OperationOutcome":
            try:
                answers[one] = _as_asked(part.resource, one)
            except WrongResource as fault:
                answers[one] = fault
        else:
            answers[one] = FhirRefused(part.status)
    return answers


USER = "the user of the launch"


def wave(
    access: FhirAccess, types: Iterable[str], purposes: tuple[str, ...], *, user: Reference | None = None
) -> tuple[Json | Fault, dict[str, Found | Fault]]:
    """The Patient, one search for each type of order, and `user` under the name USER, all at the same time."""
    calls: dict[str, Callable[[str], Found]] = {"Patient": partial(_one, access, _patient(access), purposes)}
    if user is not None:
        calls[USER] = partial(_one, access, user, (table.SIGN_IN,))
    answers = together(access, calls | {name: search_orders(access, name) for name in types})
    person = answers.pop("Patient")
    return (person.resources[0] if isinstance(person, Found) else person), answers


def _patient(access: FhirAccess) -> Reference:
    return ("Patient", access.patient_id)


def _one(access: FhirAccess, reference: Reference, purposes: tuple[str, ...], token: str) -> Found:
    return Found((read(access, reference, purposes, token),), complete=True)


def search_orders(access: FhirAccess, resource_type: str) -> Callable[[str], Found]:
    """The open orders of one kind, with what they point to. Asked again without `status` if the EHR refuses that."""
    kind = derive.KIND_OF_TYPE[resource_type]
    params: Params = [(FIXED, access.patient_id), ("status", OPEN_STATUSES)]
    wanted = _wanted(access, resource_type, params, (kind,))
    without = [pair for pair in wanted if pair[0] != "status"]
    searches = [_search(access, resource_type, wanted)]
    if without != wanted:
        searches.append(_search(access, resource_type, without))

    def call(token: str) -> Found:
        try:
            return _run(searches[0], token)
        except FhirRefused as refused:
            if refused.status != 400 or len(searches) == 1:
                raise
        del searches[0]
        return _run(searches[0], token)

    return call


def search_coverage(access: FhirAccess) -> Callable[[str], Found]:
    """All plans of the patient, with those who pay."""
    wanted = _wanted(access, "Coverage", [(FIXED, access.patient_id)], (table.ELIGIBILITY,))
    return partial(_run, _search(access, "Coverage", wanted))


def search_changes(
    access: FhirAccess, resource_type: str, *, since: str = "", ids: Sequence[str] = ()
) -> Callable[[str], Found]:
    """Orders of all patients by time of change or by id: their subject, beside `id` and `meta`."""
    params: Params = [("_elements", "subject"), ("_count", PAGE)]
    params += [("_lastUpdated", f"ge{since}"), ("_sort", "_lastUpdated")] if since else []
    params += [("_id", ",".join(ids))] if ids else []
    return partial(_run, _search(access, resource_type, params))


def _search(access: FhirAccess, resource_type: str, params: Params) -> Search:
    return Search(access.partner, access.base, resource_type, params, patience=access.patience)


def _run(search: Search, token: str) -> Found:
    search.run(token)
    matches = tuple(entry.resource for entry in search.found if entry.is_match)
    return Found(tuple(entry.resource for entry in search.found), search.complete, matches)


def _wanted(access: FhirAccess, resource_type: str, params: Params, purposes: tuple[str, ...]) -> Params:
    """Our parameters, and the row's own in place of those of the same name; an empty one leaves ours out."""
    ours = [*params, ("_count", PAGE), *_elements(access, resource_type, purposes)]
    if access.honors_include:
        ours += [("_include", name) for name in INCLUDES[resource_type] if _may_come(access, name)]
    said = parse_qsl(access.search_parameters.get(resource_type, ""), keep_blank_values=True)
    said = [pair for pair in said if pair[0].partition(":")[0] != FIXED]
    named = {name for name, _ in said}
    return [pair for pair in ours if pair[0] not in named] + [pair for pair in said if pair[1]]


def _may_come(access: FhirAccess, include: str) -> bool:
    return "read" in access.medication_order or not include.endswith(":medication")


def _elements(access: FhirAccess, resource_type: str, purposes: tuple[str, ...]) -> Params:
    if not access.honors_elements:
        return []
    return [("_elements", derive.elements(resource_type, purposes))]


def is_whole(raw: Json) -> bool:
    """Whether an included resource came whole. One that `_elements` of another type cut down is read by itself."""
    meta: Any = raw.get("meta")
    tags = many(meta.get("tag")) if isinstance(meta, Mapping) else []
    return all(tag.get("code") != "SUBSETTED" for tag in tags)
