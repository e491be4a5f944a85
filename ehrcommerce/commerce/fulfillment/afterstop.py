"""The clinic stopped what had left already: what a person can still do about it, and what they say that they did. Nothing is
sent from here; the item of the queue ends when the patient was told and it is known what becomes of the goods (REL-P20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import attention
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import moves
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderEvent
from ehrcommerce.commerce.orders.states import OrderState

TOLD, RECALLED, RETURN, KEPT = "told", "recalled", "return", "kept"
STEPS: Mapping[str, str] = {
    TOLD: "I reached the patient: do not use it",
    RECALLED: "The supplier or the carrier calls it back",
    RETURN: "The patient sends it back",
    KEPT: "It stays there: it was used, or is thrown away",
}
GOODS = (RECALLED, RETURN, KEPT)


@dataclass(frozen=True, slots=True)
class Choice:
    """`can`: what to do, in a sentence; `done`: somebody said that they did."""

    step: str
    words: str
    can: str
    done: bool


def choices(order: Order) -> list[Choice]:
    """What stands on the order's page; empty where nothing was stopped after it left."""
    parts = stopped(order)
    if not parts:
        return []
    done = said(order)
    return [Choice(step, STEPS[step], _can(step, parts), step in done) for step in _open_to(parts)]


def stopped(order: Order) -> list[Fulfillment]:
    """Parts that had left when the chart stopped them."""
    kinds = {
        detail.removesuffix(":has_left")
        for detail in OrderEvent.objects.filter(
            order=order, code=Code.ORDER_STOPPED, detail__endswith=":has_left"
        ).values_list("detail", flat=True)
    }
    rows = Fulfillment.objects.filter(order=order, kind__in=kinds, state__in=attention.LEFT)
    return list(rows.select_related("supplier").order_by("pk"))


def _open_to(parts: list[Fulfillment]) -> list[str]:
    """What is delivered cannot be called back any more, and what is on its way is not used yet."""
    moving = any(part.state == OrderState.SHIPPED for part in parts)
    return [TOLD, *([RECALLED] if moving else []), RETURN, *([] if moving else [KEPT])]


def _can(step: str, parts: list[Fulfillment]) -> str:
    if step == TOLD:
        return "A text or e-mail with news went out by itself, and their page says: do not use it. Call them as well."
    if step == RECALLED:
        whom = "; ".join(f"{part.supplier.name}, {part.supplier.escalation or 'no number in its row'}" for part in parts)
        return f"Ask them to call the parcel back: {whom}."
    if step == RETURN:
        return "Agree on it with the patient. When it is back, the money follows the clinic's rule, or you give it back here."
    return "Give money back here, if the clinic wants that."


def said(order: Order) -> frozenset[str]:
    return frozenset(
        OrderEvent.objects.filter(order=order, code=Code.AFTER_STOP).values_list("detail", flat=True)
    )  # fmt: skip


@transaction.atomic
def mark(*, order: Order, step: str, by: Actor, at: datetime) -> bool:
    """Somebody says that they did this. Twice is once: False. KeyError for a step that there is not."""
    STEPS[step]
    locked = moves.lock(order.pk)
    if step in said(locked):
        return False
    note(locked, Code.AFTER_STOP, by=by, at=at, detail=step)
    audit.record(
        organization_id=locked.organization_id, by=by, action="order.after_stop", entity=f"order:{locked.public_id}",
        at=at, reason=step, customer_key=locked.offer.customer_key,
    )  # fmt: skip
    for part in stopped(locked):
        attention.look_again(part, by=by, at=at)
    return True
