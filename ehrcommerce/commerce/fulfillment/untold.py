"""A message about an order that did not arrive, as its messenger tells it afterwards: it stands before a person, who calls the
patient, until a later message arrives or somebody closes it (REL-F52). Of the link's own message see offers/arrivals.py."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment.timeline import effects_of, order_of
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome
from ehrcommerce.suppliers import messages
from ehrcommerce.suppliers.models import MessageNews

KIND, NOTIFY = "fulfillment.untold", "fulfillment.notify"
CODE = "status_bounced"


def is_untold(order: Order) -> bool:
    """Whether of this order's messages the last one of which its messenger told anything did not arrive."""
    sent = effects_of(order).filter(kind=NOTIFY).values_list("public_id", flat=True)
    told = MessageNews.objects.filter(reference__in=list(sent), kind__in=(*messages.FINAL, messages.DELIVERED))
    last = told.order_by("-at", "-pk").first()
    return last is not None and last.kind in messages.FINAL


def heard(sender: Any, *, reference: UUID, kind: str, at: datetime, **_: Any) -> None:
    """The messenger's word, in its transaction."""
    effect = Effect.objects.filter(public_id=reference, kind=NOTIFY).first()
    order = order_of(effect) if effect is not None else None
    if order is None:
        return
    if kind in messages.FINAL:
        outbox.plan_next(kind=KIND, subject=str(order.public_id), organization_id=order.organization_id, at=at)
    waiting = Effect.objects.filter(
        organization_id=order.organization_id, kind=KIND, subject=str(order.public_id), state=State.NEEDS_HUMAN
    )
    for one in waiting:
        outbox.retry(one, by=audit.system("messenger"), at=at)


class Untold(Handler):
    """Looks whether the patient still does not know; nothing is sent."""

    kind = KIND
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        return NeedsHuman(CODE) if is_untold(Order.objects.get(public_id=effect.subject)) else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")
