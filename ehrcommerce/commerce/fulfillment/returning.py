"""A parcel came back: what that pays back by the clinic's rule, to the cent, or a person who decides. Under the order's lock.

The sum follows by itself: lines that came back are owed no more, their shipping only where the rule says so, and the
refund is whatever was taken beyond what is owed (orders/money.py)."""

from datetime import datetime

from ehrcommerce.accounts.models import ReturnRefunds
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import money
from ehrcommerce.commerce.orders.models import Order, OrderFee, OrderLine
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome

KIND = "fulfillment.return"


def came_back(order: Order, fulfillment: Fulfillment, *, at: datetime) -> None:
    """Once for each part: a supplier's news never takes it back from here."""
    rule = order.organization.return_refunds
    if rule == ReturnRefunds.PERSON:
        outbox.plan(kind=KIND, subject=str(fulfillment.public_id), organization_id=order.organization_id, at=at)
        return
    OrderLine.objects.filter(fulfillment_line__fulfillment=fulfillment).update(accepted=False)
    if rule == ReturnRefunds.WITHOUT_SHIPPING:
        OrderFee.objects.filter(order=order, kind=fulfillment.kind, waived=False).update(kept=True)
    money.settle(order, at=at)


class Returned(Handler):
    """Puts it before a person; nothing is sent. Done once all that was taken for it went back."""

    kind = KIND
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        order = Fulfillment.objects.select_related("order").get(public_id=effect.subject).order
        return NeedsHuman("return_to_decide") if money.refundable_cents(order) else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")
