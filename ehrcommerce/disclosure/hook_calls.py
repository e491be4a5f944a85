"""The body of a CDS Hooks call, read for the door: which hook, whose chart, which orders. Pure; nothing is kept, and what
the packet does not need is never looked at (`fhirAuthorization`, every prefetch)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ehrcommerce.disclosure import values
from ehrcommerce.disclosure.values import Json, Reference
from ehrcommerce.policy import derive
from ehrcommerce.policy.packets import ChartOrder
from ehrcommerce.wire.strict import TextNumbers, one_object

ORDER_SIGN, ORDER_SELECT, ORDER_DISPATCH, PATIENT_VIEW = "order-sign", "order-select", "order-dispatch", "patient-view"
HOOKS = (ORDER_SIGN, ORDER_SELECT, ORDER_DISPATCH, PATIENT_VIEW)
WITH_DRAFTS = (ORDER_SIGN, ORDER_SELECT)
# A signing of more orders than this is a test or an attack; the rest is left out.
MOST_ORDERS = 50
# The hook `order-dispatch` was renamed within its versions; CDS clients send either.
DISPATCHED = ("dispatchedOrders", "dispatched-orders")


class BadHookCall(Exception):
    """The call is not what this service takes: not one JSON object, another hook, or no patient. The EHR's CDS client is
    set up for another service, or is broken; its administrator should compare it with /cds-services."""


@dataclass(frozen=True, slots=True)
class HookCall:
    """What the app hears of one call: whose chart, who is working in it, which orders. `drafts` are the orders that the
    call brought along; `named` those that it only pointed to."""

    server: str
    patient_id: str = field(repr=False)
    user: str = field(repr=False)
    drafts: tuple[tuple[Reference, ChartOrder], ...] = field(default=(), repr=False)
    named: tuple[Reference, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A body that was understood. Its resources are for the door alone."""

    server: str
    patient_id: str = field(repr=False)
    user: str = field(repr=False)
    context: Json = field(repr=False)


def opened(body: bytes, hook: str) -> Opened:
    """Raises BadHookCall."""
    try:
        found = one_object(body, TextNumbers)
    except ValueError as problem:
        raise BadHookCall from problem
    context = found.get("context")
    if found.get("hook") != hook or not isinstance(context, Mapping):
        raise BadHookCall
    patient_id, server, user = context.get("patientId"), found.get("fhirServer"), context.get("userId")
    if not isinstance(patient_id, str) or not values.FHIR_ID.fullmatch(patient_id) or not patient_id.strip("."):
        raise BadHookCall
    if server is not None and not isinstance(server, str):
        raise BadHookCall
    return Opened(server or "", patient_id, user if isinstance(user, str) else "", context)


def resources(call: Opened) -> Iterator[Json]:
    """Everything in the Bundle of drafts, each as it came."""
    bundle = call.context.get("draftOrders")
    entries = bundle.get("entry") if isinstance(bundle, Mapping) else None
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping) and isinstance(resource.get("resourceType"), str):
            yield resource


def drafts(call: Opened, hook: str, base: str) -> list[Json]:
    """The orders that are about to be signed; where some are being selected, those alone (H7). What is about to be signed
    is judged as if it were: a draft is as good as active."""
    selected = _selected(call.context.get("selections"), base) if hook == ORDER_SELECT else None
    found: dict[Reference, dict[str, Any]] = {}
    for raw in resources(call):
        which = (str(raw["resourceType"]), values.code(raw.get("id")))
        if which[0] in derive.KIND_OF_TYPE and (selected is None or which in selected) and len(found) < MOST_ORDERS:
            drafted = values.code(raw.get("status")) == "draft"
            found[which] = {**raw, "status": "active"} if drafted else dict(raw)
    return list(found.values())


def _selected(value: Any, base: str) -> set[Reference]:
    listed = [values.reference(each, base) for each in value] if isinstance(value, list) else []
    return {each for each in listed if each is not None}


def dispatched(call: Opened, base: str) -> tuple[Reference, ...]:
    """The orders that are handed to a performer: names only, and of kinds that the app knows."""
    value = next((call.context[name] for name in DISPATCHED if name in call.context), None)
    return tuple(each for each in sorted(_selected(value, base)) if each[0] in derive.KIND_OF_TYPE)[:MOST_ORDERS]
