"""How an order moves through a supplier's hands, and a parcel through the carrier's: for the API, the clock and people.

Whoever calls holds the row lock (`locked`) inside a transaction. Each move is written to the order's history and,
unless it is to stay silent, told to the app by a callback in the same transaction.
"""

from datetime import datetime
from typing import Any

from . import callbacks
from .models import Parcel, SupplierOrder

PATH = ("received", "accepted", "packed", "shipped", "delivered")
LAB_PATH = (*PATH, "kit_registered", "sample_received", "resulted")
CANCELLABLE = {"received", "accepted", "packed"}
REASONS = {"out_of_stock", "prescription_problem", "address"}
PARCEL_PATH = ("label_created", "in_transit", "out_for_delivery", "delivered")
OUT_OF_STOCK = "OUT-"
SAYABLE = ("parcels", "backordered", "question", "question_text")


def locked(**which: Any) -> SupplierOrder | None:
    """The order with its row lock, or nothing."""
    return SupplierOrder.objects.select_for_update().filter(**which).first()


def path_of(order: SupplierOrder) -> tuple[str, ...]:
    """The statuses of this partner when all goes well, in order."""
    return LAB_PATH if order.partner == "lab" else PATH


def move(
    order: SupplierOrder,
    *,
    to: str,
    at: datetime,
    accepted_lines: dict[str, bool] | None = None,
    reason: str = "",
    silent: bool = False,
) -> None:
    """Bring an order to a status. Forward on its path it passes every station between, as it would in life.

    Anything else (back, aside, a word that no contract knows) is set as it is: an app must survive partners that do so.
    """
    for station in _stations(order, to):
        if station == "accepted" and not _accept(order, accepted_lines):
            _enter(order, "rejected", at=at, reason="out_of_stock", silent=silent)
            return
        _enter(order, station, at=at, reason=reason if station == "rejected" else "", silent=silent)


def say(order: SupplierOrder, more: dict[str, Any]) -> None:
    """What a partner may tell beside a status: parcels of its own, lines that are late, a question to the prescriber."""
    late = more.get("backordered", {})
    for line in order.lines:
        if line["sku"] in late:
            line["backordered"], line["expected_on"] = True, str(late[line["sku"]])
    order.parcels = more.get("parcels", order.parcels)
    order.question = str(more.get("question", order.question))
    order.question_text = str(more.get("question_text", order.question_text))[:200]
    order.save(update_fields=["lines", "parcels", "question", "question_text"])


def answered(order: SupplierOrder, answer: dict[str, Any], *, at: datetime) -> bool:
    """The prescriber answered the pharmacist; False where nobody had asked."""
    if not order.question:
        return order.answer == answer
    order.question, order.question_text, order.answer, order.moved_at = "", "", answer, at
    order.save(update_fields=["question", "question_text", "answer", "moved_at"])
    return True


def _stations(order: SupplierOrder, to: str) -> tuple[str, ...]:
    path = path_of(order)
    if order.status in path and to in path and path.index(to) > path.index(order.status):
        return path[path.index(order.status) + 1 : path.index(to) + 1]
    return (to,)


def _accept(order: SupplierOrder, chosen: dict[str, bool] | None) -> bool:
    """Decide line by line; an order of which no line is accepted is a rejected one."""
    for line in order.lines:
        line["accepted"] = (chosen or {}).get(line["sku"], not line["sku"].startswith(OUT_OF_STOCK))
    return any(line["accepted"] for line in order.lines)


def _enter(order: SupplierOrder, status: str, *, at: datetime, reason: str, silent: bool) -> None:
    order.status = status
    order.reason = (reason or "out_of_stock") if status == "rejected" else ""
    order.moved_at = at
    order.history = [*order.history, {"status": status, "at": at.isoformat()}]
    order.save()
    _parcel_follows(order, at=at)
    if not silent:
        callbacks.announce(
            partner=order.partner,
            kind=f"order.{status}",
            object_id=order.public_id,
            reference=order.reference,
            status=status,
            at=at,
        )


def _parcel_follows(order: SupplierOrder, *, at: datetime) -> None:
    if order.status == "shipped":
        send_parcel(order, at=at)
    elif order.status == "delivered":
        move_parcel(send_parcel(order, at=at), to="delivered", at=at)


def send_parcel(order: SupplierOrder, *, at: datetime) -> Parcel:
    """The order's parcel, handed to the carrier when it is first asked for."""
    first = {"status": PARCEL_PATH[0], "at": at.isoformat()}
    made = {"status": PARCEL_PATH[0], "events": [first], "moved_at": at}
    return Parcel.objects.get_or_create(order=order, defaults=made)[0]


def move_parcel(parcel: Parcel, *, to: str, at: datetime) -> None:
    """The carrier saw the parcel. As with orders, a known status ahead passes the ones between."""
    steps: tuple[str, ...] = (to,)
    if parcel.status in PARCEL_PATH and to in PARCEL_PATH:
        steps = PARCEL_PATH[PARCEL_PATH.index(parcel.status) + 1 : PARCEL_PATH.index(to) + 1] or steps
    if parcel.status == to:
        return
    parcel.events = [*parcel.events, *({"status": step, "at": at.isoformat()} for step in steps)]
    parcel.status = to
    parcel.moved_at = at
    parcel.save()


def cancel(order: SupplierOrder, *, at: datetime) -> bool:
    """Stop an order that has not left the house. False when it is too late, or when there is nothing to stop."""
    if order.status == "cancelled":
        return True
    if order.status not in CANCELLABLE:
        return False
    move(order, to="cancelled", at=at)
    return True
