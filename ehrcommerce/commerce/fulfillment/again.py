"""The back office's form that sends something of an order once more: what can be chosen, and what came of the press."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.utils import timezone

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import replacing
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment
from ehrcommerce.commerce.orders.errors import OrderProblem
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import PRESCRIPTION


@dataclass(frozen=True, slots=True)
class Choice:
    """`name`: what the form sends back. Parcels are counted, not named: their numbers are of the patient."""

    name: str
    words: str
    needs_proof: bool
    part: Fulfillment
    parcel: Shipment | None = None


def replaceable(order: Order) -> list[Choice]:
    """Each part of which something left, and where it went in several parcels each of these."""
    found = []
    for part in Fulfillment.objects.filter(order=order).select_related("supplier").order_by("pk"):
        if not replacing.may_be_replaced(part):
            continue
        medicine, whole = part.kind == PRESCRIPTION, f"{part.get_kind_display()} from {part.supplier.name}"
        found.append(Choice(f"part:{part.public_id}", f"{whole}: all of it", medicine, part))
        rows = list(part.shipments.order_by("pk"))
        if len(rows) > 1:
            found += [
                Choice(f"parcel:{row.public_id}", f"{whole}: parcel {number} of {len(rows)} ({row.state})", medicine,
                       part, row)
                for number, row in enumerate(rows, 1) if row.skus
            ]  # fmt: skip
    return found


def send_again(order: Order, form: Mapping[str, Any], *, by: Actor) -> tuple[str, int]:
    """What is said after the press, and how: words and level of a message."""
    chosen = {one.name: one for one in replaceable(order)}.get(str(form.get("what", "")))
    reason = str(form.get("reason", ""))
    if chosen is None or reason not in replacing.REASONS:
        return "Choose what and why. Nothing was sent; it may be under way already.", messages.ERROR
    try:
        replacing.replace(
            fulfillment=chosen.part, parcel=chosen.parcel, reason=reason, proof_held=form.get("proof") == "yes",
            by=by, at=timezone.now(),
        )  # fmt: skip
    except OrderProblem as problem:
        return str(type(problem).__doc__), messages.ERROR
    return "It goes out once more. The patient pays nothing and is told.", messages.SUCCESS
