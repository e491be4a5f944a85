"""What a clinician can do to an order in the chart: sign, change, hold, resume, stop. Writes the FHIR resource."""

from datetime import datetime
from decimal import InvalidOperation
from typing import Any, Final

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json, Number
from ehrcommerce.sandbox.ehr.models import EhrUser, Resource
from ehrcommerce.sandbox.ehr.reading_words import rows_of

KINDS: Final = ("MedicationRequest", "DeviceRequest", "ServiceRequest")
ACTIONS: Final[dict[str, dict[str, str]]] = {
    "sign": {"draft": "active"},
    "hold": {"active": "on-hold"},
    "resume": {"on-hold": "active"},
    "stop": {"active": "stopped", "on-hold": "stopped", "draft": "cancelled"},
}
LABELS: Final = {"sign": "Sign", "hold": "Hold", "resume": "Resume", "stop": "Stop"}
NOT_MEDICATION: Final = {"stopped": "revoked", "cancelled": "revoked"}
"""DeviceRequest and ServiceRequest have one word for what a prescription calls stopped or cancelled."""


class NotPossible(Exception):
    """The order is no longer in a state for this. Look at the chart again."""


def possible(status: str) -> list[tuple[str, str]]:
    """(action, label) of what can be done in a status."""
    return [(action, LABELS[action]) for action, moves in ACTIONS.items() if status in moves]


def act(row: Resource, action: str, *, by: EhrUser, at: datetime) -> None:
    """Move an order to another status. Raises NotPossible."""
    target = ACTIONS.get(action, {}).get(row.status)
    if target is None:
        raise NotPossible
    order = fhir_store.content(row)
    order["status"] = target if row.type == "MedicationRequest" else NOT_MEDICATION.get(target, target)
    if action == "sign":
        order["authoredOn"] = fhir_store.instant(at)
        order["requester"] = {"reference": by.fhir_user, "display": by.name}
    _write(order, row, at=at)


def change(row: Resource, *, quantity: str, dosage: str, at: datetime) -> None:
    """Another quantity or dosage; empty fields leave what is there. Raises NotPossible and ValueError."""
    if row.status not in ("draft", "active", "on-hold"):
        raise NotPossible
    order = fhir_store.content(row)
    if quantity.strip():
        quantity_holder(order, make=True)["value"] = _amount(quantity)
    if dosage.strip() and row.type == "MedicationRequest":
        first, *others = rows_of(order.get("dosageInstruction")) or [{}]
        order["dosageInstruction"] = [{**first, "text": dosage.strip()}, *others]
    _write(order, row, at=at)


def _amount(text: str) -> Number | int:
    try:
        amount = Number(text.strip())
    except InvalidOperation as mistake:
        raise ValueError("The quantity is a number.") from mistake
    if not 0 < amount < 100_000:
        raise ValueError("The quantity is a number above zero.")
    return int(amount) if text.strip().isdecimal() else amount


def quantity_holder(order: Json, *, make: bool = False) -> Json:
    """The Quantity of an order, where its type keeps it."""
    match order.get("resourceType"):
        case "MedicationRequest":
            return _inside(_inside(order, "dispenseRequest", make), "quantity", make)
        case "ServiceRequest":
            return _inside(order, "quantityQuantity", make)
    for parameter in rows_of(order.get("parameter")):
        if isinstance(held := parameter.get("valueQuantity"), dict):
            return dict(held) if not make else held
    if make:
        order["parameter"] = [{"code": {"text": "Quantity"}, "valueQuantity": {}}, *rows_of(order.get("parameter"))]
        held = order["parameter"][0]["valueQuantity"]
        return held if isinstance(held, dict) else {}
    return {}


def _inside(holder: Json, name: str, make: bool) -> Json:
    found: Any = holder.get(name)
    if isinstance(found, dict):
        return found
    made: Json = {}
    if make:
        holder[name] = made
    return made


def _write(order: Json, row: Resource, *, at: datetime) -> None:
    try:
        fhir_store.save(order, at=at, if_version=row.version)
    except fhir_store.StaleVersion as stale:
        raise NotPossible from stale
