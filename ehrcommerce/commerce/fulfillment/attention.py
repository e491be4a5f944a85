"""What a person must see through when the chart stops an order that is out of our hands: until the supplier has said
that it was in time, or a person has closed it. The row is an effect, so it stands in the same queue as all else."""

from datetime import datetime

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import OrderEvent
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome

KIND = "fulfillment.attention"
# What can still be done depends on how far it has come.
AFTER = {
    OrderState.SHIPPED: "stopped_on_its_way", OrderState.DELIVERED: "stopped_after_delivery",
    OrderState.COMPLETED: "stopped_after_delivery",
}  # fmt: skip
LEFT = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED)
OVER = (OrderState.CANCELLED, OrderState.REFUSED, OrderState.RETURNED)


class Attention(Handler):
    """Looks how the stopped part stands now; nothing is sent."""

    kind = KIND
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment = Fulfillment.objects.get(public_id=effect.subject)
        if fulfillment.state in OVER:
            return Done()
        if fulfillment.state in LEFT and _is_handled(fulfillment):
            return Done()
        if fulfillment.state in LEFT:
            return NeedsHuman(AFTER.get(OrderState(fulfillment.state), "stopped_after_leaving"))
        waits = fulfillment.state == OrderState.CANCEL_REQUESTED
        return NeedsHuman("stop_not_confirmed" if waits else "stop_refused")

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


def _is_handled(fulfillment: Fulfillment) -> bool:
    """Whether somebody said that the patient knows, and what becomes of the goods (afterstop.py)."""
    events = OrderEvent.objects.filter(order_id=fulfillment.order_id, code=Code.AFTER_STOP)
    done = set(events.values_list("detail", flat=True))
    return "told" in done and len(done) > 1


def ask_for(fulfillment: Fulfillment, *, at: datetime) -> None:
    """In the transaction of the stop. Twice is once."""
    outbox.plan_next(kind=KIND, subject=str(fulfillment.public_id), organization_id=fulfillment.organization_id, at=at)


def look_again(fulfillment: Fulfillment, *, by: Actor, at: datetime) -> None:
    """The supplier has answered: what the person reads must be true."""
    waiting = Effect.objects.filter(
        organization_id=fulfillment.organization_id, kind=KIND, subject=str(fulfillment.public_id),
        state=State.NEEDS_HUMAN,
    )  # fmt: skip
    for effect in waiting:
        outbox.retry(effect, by=by, at=at)
