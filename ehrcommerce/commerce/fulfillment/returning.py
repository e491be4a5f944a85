"""A parcel came back, or does not arrive: what that pays back by the clinic's rule, to the cent, or a person who decides.
Under the order's lock.

The sum follows by itself: lines that came back are owed no more, their shipping only where the rule says so, and the
refund is whatever was taken beyond what is owed (orders/money.py)."""

from datetime import datetime

from ehrcommerce.accounts.models import ReturnRefunds
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import parts
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment
from ehrcommerce.commerce.orders import money
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderEvent, OrderFee, OrderLine
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome

KIND = "fulfillment.return"
RETURNED = "returned"


def came_back(order: Order, fulfillment: Fulfillment, *, at: datetime) -> None:
    """Once for each part: a supplier's news never takes it back from here."""
    rule = order.organization.return_refunds
    if rule == ReturnRefunds.PERSON:
        put_before_a_person(order, fulfillment, at=at)
        return
    OrderLine.objects.filter(fulfillment_lines__fulfillment=fulfillment).update(accepted=False)
    if rule == ReturnRefunds.WITHOUT_SHIPPING:
        OrderFee.objects.filter(order=order, kind=fulfillment.kind, waived=False).update(kept=True)
    money.settle(order, at=at)


def parcel_came_back(order: Order, parcel: Shipment, *, at: datetime) -> None:
    """One of several: what was in it alone, where its supplier says what that is, else a person finds out. The shipping
    of the rest stays owed."""
    others = parcel.fulfillment.shipments.exclude(pk=parcel.pk).values_list("skus", flat=True)
    alone = set(parcel.skus) - {sku for skus in others for sku in skus}
    if order.organization.return_refunds == ReturnRefunds.PERSON or not alone or alone != set(parcel.skus):
        put_before_a_person(order, parcel.fulfillment, at=at)
        return
    lines = OrderLine.objects.filter(fulfillment_lines__fulfillment=parcel.fulfillment).select_related("offer_line")
    mine = [line.pk for line in lines if line.offer_line.sold_as in alone]
    OrderLine.objects.filter(pk__in=mine).update(accepted=False)
    money.settle(order, at=at)


def put_before_a_person(order: Order, fulfillment: Fulfillment, *, at: datetime) -> None:
    """In the transaction of the news. Twice is once."""
    outbox.plan_next(kind=KIND, subject=str(fulfillment.public_id), organization_id=order.organization_id, at=at)


def look_again(fulfillment: Fulfillment, *, by: Actor, at: datetime) -> None:
    """Something was decided, or arrived after all: what the person reads must be true."""
    waiting = Effect.objects.filter(
        organization_id=fulfillment.organization_id, kind=KIND, subject=str(fulfillment.public_id),
        state=State.NEEDS_HUMAN,
    )  # fmt: skip
    for effect in waiting:
        outbox.retry(effect, by=by, at=at)


class Returned(Handler):
    """Puts it before a person; nothing is sent. Done once it is sent anew, arrived, or all that was taken for it went
    back."""

    kind = KIND
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        part = Fulfillment.objects.select_related("order").get(public_id=effect.subject)
        code = _open(part)
        return NeedsHuman(code) if code else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


def _open(part: Fulfillment) -> str:
    """What a person has to decide about this part; "" for nothing."""
    back = part.shipments.filter(state=RETURNED).exists()
    heir = part.replacements.order_by("-pk").first()
    if heir is not None and heir.state not in parts.OVER:
        # What of it the supplier does not have comes neither way.
        return "replacement_failed" if heir.lines.filter(accepted=False).exists() else ""
    if not money.refundable_cents(part.order) and part.order.total_cents:
        return ""
    if heir is not None:
        return "replacement_failed"
    if part.state == OrderState.RETURNED or back:
        return "return_to_decide"
    if part.state != OrderState.EXCEPTION:
        return ""
    asked = OrderEvent.objects.filter(order=part.order, code=Code.REPLACEMENT_ASKED, detail=f"{part.kind}:{part.pk}")
    return "replacement_asked" if asked.exists() else "parcel_in_trouble"
