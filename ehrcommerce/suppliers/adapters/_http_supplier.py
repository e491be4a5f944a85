"""Pharmacy, device supplier and laboratory over HTTP: `orders`, `orders/{id}/cancel`, `orders?reference=`.

`base_url` of the supplier's row is the partner's own root (https://pharmacy.example/v1). What differs between the three
(what a line may say, what a status means) is a table or a few lines in their own file."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any, ClassVar
from urllib.parse import quote

from ehrcommerce.outbox.handlers import LOOKUP
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused
from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner, id_of, text_of, to_bytes
from ehrcommerce.suppliers.ports import QUESTION_CHARS, QUESTIONS, SupplyParcel, SupplyRequest, SupplyStatus
from ehrcommerce.wire.errors import NotSent

# Their word -> a state of ours (commerce.orders.states). A word that is not here is "unknown": nothing is guessed.
STATUS_OF: Mapping[str, str] = {
    "received": "dispatched",
    "accepted": "accepted",
    "packed": "accepted",
    "rejected": "refused",
    "shipped": "shipped",
    "delivered": "delivered",
    "cancelled": "cancelled",
    "returned": "returned",
}
REASONS = frozenset({"out_of_stock", "prescription_problem", "address"})
PARCEL_STATES = frozenset({"shipped", "delivered", "returned"})
ENDED_BEFORE = ("refused", "cancelled")
DECIDED = frozenset({"accepted", "shipped", "delivered", "completed", "returned"})


class HttpSupplier(HttpPartner):
    """The part of the Fulfiller port that the three share."""

    capability = LOOKUP
    statuses: ClassVar[Mapping[str, str]] = STATUS_OF
    sends: ClassVar[Mapping[str, str]] = {
        "reference": "SupplyRequest.reference", "lines.sku": "SupplyLine.sku", "lines.quantity": "SupplyLine.quantity",
        **last_line.SHIP_TO,
    }  # fmt: skip

    def render(self, request: SupplyRequest) -> bytes:
        ship_to = asdict(request.ship_to)
        body = {"reference": request.reference, "ship_to": ship_to, "lines": self.lines(request), **self.more(request)}
        return to_bytes(body)

    def lines(self, request: SupplyRequest) -> list[dict[str, Any]]:
        return [{"sku": line.sku, "quantity": line.quantity} for line in request.lines]

    def more(self, request: SupplyRequest) -> dict[str, Any]:
        """What this hop gets beside the lines."""
        return {}

    def place(self, body: bytes, *, idempotency_key: str) -> Outcome:
        answer = self.post("orders", body, idempotency_key=idempotency_key)
        return self.outcome_of(answer, self._placed, conflict=lambda found: self._conflict(found, json.loads(body)))

    def _placed(self, found: Mapping[str, Any]) -> Outcome:
        status = self.status_of(found)
        return Done(reference=status.supplier_reference, facts={"status": status})

    def _conflict(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Outcome:
        """They have this reference, or this key, already. What they hold is ours only if it is what we wanted."""
        if found.get("error") == "idempotency_key_reused":
            return NeedsHuman("key_reused")
        try:
            order = self._order(str(wanted["reference"]))
        except NotSent:
            return OutcomeUnknown("conflict")  # the POST did arrive
        return self._placed(order) if order and _same_lines(order, wanted) else NeedsHuman("conflict")

    def find(self, reference: str) -> SupplyStatus | None:
        try:
            orders = self._orders(reference)
            status = self.status_of(orders[0]) if orders else None
            living = [each for each in orders if self.statuses.get(str(each["status"])) not in ENDED_BEFORE]
            return replace(status, copies=max(len(living), 1)) if status else None
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise self.unreadable(problem) from problem

    def _order(self, reference: str) -> Mapping[str, Any] | None:
        """What they hold under our reference, in their words."""
        return next(iter(self._orders(reference)), None)

    def _orders(self, reference: str) -> list[Mapping[str, Any]]:
        """All of it. More than one order is a fault of theirs."""
        found = self.read("orders", reference=reference)
        return [order for order in (found or {}).get("orders", ()) if order["reference"] == reference]

    def cancel(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        path = f"orders/{quote(supplier_reference, safe='')}/cancel"
        answer = self.post(path, b"{}", idempotency_key=idempotency_key)
        return self.outcome_of(
            answer, lambda _: Done(reference=supplier_reference), conflict=lambda _: Refused("too_late")
        )

    def answer(self, supplier_reference: str, answer: str, text: str, *, idempotency_key: str) -> Outcome:
        path = f"orders/{quote(supplier_reference, safe='')}/answer"
        sent = self.post(path, to_bytes({"answer": answer, "text": text}), idempotency_key=idempotency_key)
        return self.outcome_of(
            sent, lambda _: Done(reference=supplier_reference), conflict=lambda _: Refused("no_question")
        )

    def forget(self, supplier_reference: str, *, idempotency_key: str) -> Outcome:
        """Whose order this was asked to be forgotten. A 409 says that a law makes them keep it: told all the same. A
        supplier without this address is told by a person."""
        path = f"orders/{quote(supplier_reference, safe='')}/erasure"
        answer = self.post(path, b"{}", idempotency_key=idempotency_key)
        if answer.status in (404, 405, 501):
            return NeedsHuman("tell_by_hand")
        done = Done(reference=supplier_reference)
        return self.outcome_of(answer, lambda _: done, conflict=lambda _: done)

    def read_callback(self, body: Mapping[str, Any]) -> str:
        return text_of(body.get("reference"))

    def status_of(self, order: Mapping[str, Any]) -> SupplyStatus:
        """Their order as ours. KeyError, TypeError or ValueError where it is not in the agreed form."""
        state = self.statuses.get(str(order["status"]), "unknown")
        tracking = order.get("tracking") or {}
        reason = text_of(order.get("reason"))
        return SupplyStatus(
            reference=str(order["reference"]), supplier_reference=id_of(order["id"]), state=state,
            reason=reason if reason in REASONS else "other" if reason else "",
            carrier=text_of(tracking.get("carrier"))[:60], tracking_number=text_of(tracking.get("number")),
            accepted=_accepted(order.get("lines") or ()) if state in DECIDED else {},
            parcels=tuple(self._parcel(one) for one in order.get("parcels") or ()),
            backordered=_backordered(order.get("lines") or ()), question=_question(order.get("question")),
            question_text=_question_words(order),
        )  # fmt: skip

    def _parcel(self, one: Mapping[str, Any]) -> SupplyParcel:
        number, state = text_of(one["number"]), self.statuses.get(str(one.get("status", "shipped")), "")
        if not number:
            raise ValueError("a parcel without a number")
        return SupplyParcel(
            number, text_of(one.get("carrier"))[:60], state if state in PARCEL_STATES else "shipped",
            tuple(text_of(sku) for sku in one.get("skus") or ()),
        )  # fmt: skip


def _question(value: Any) -> str:
    """A question that no contract knows is one all the same."""
    return "" if not value else value if value in QUESTIONS else "other"


def _question_words(order: Mapping[str, Any]) -> str:
    """The pharmacist's own words, of a length that a page holds; none without a question."""
    said = order.get("question_text")
    if not order.get("question") or not isinstance(said, str):
        return ""
    return "".join(one if one.isprintable() else " " for one in said[:QUESTION_CHARS]).strip()


def _backordered(lines: Any) -> dict[str, str]:
    """SKU -> the day it is expected. Raises ValueError for a day that is none."""
    found = {}
    for line in lines:
        if line.get("backordered") is True:
            day = line.get("expected_on") or ""
            found[str(line["sku"])] = date.fromisoformat(day).isoformat() if day else ""
    return found


def _same_lines(order: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether an order of theirs is for the things of ours. One that names no things cannot be told apart."""
    theirs = Counter((str(line["sku"]), line.get("quantity")) for line in order.get("lines") or ())
    return not theirs or theirs == Counter((line["sku"], line["quantity"]) for line in wanted["lines"])


def _accepted(lines: Any) -> dict[str, bool]:
    """SKU -> taken. A SKU that stands twice is taken only if both are."""
    found: dict[str, bool] = {}
    for line in lines:
        if isinstance(line.get("accepted"), bool):
            found[str(line["sku"])] = line["accepted"] and found.get(str(line["sku"]), True)
    return found
