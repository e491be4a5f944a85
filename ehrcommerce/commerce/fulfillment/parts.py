"""Which parts of an order count: one that is sent anew stands aside for its replacement, unless it still brings what the
replacement does not."""

from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import OrderState

OVER = (OrderState.CANCELLED, OrderState.REFUSED)
# A part in one of these brings nothing more by itself.
DONE_FOR = (OrderState.EXCEPTION, OrderState.RETURNED)


def living_replacement(fulfillment: Fulfillment) -> Fulfillment | None:
    """The newest part that sends this one's goods anew, delivered or under way."""
    return fulfillment.replacements.exclude(state__in=OVER).order_by("-pk").first()


def counting(order: Order) -> list[Fulfillment]:
    """The parts by which an order's state is told, oldest first."""
    return [one for one in Fulfillment.objects.filter(order=order).order_by("pk") if not _stands_aside(one)]


def _stands_aside(part: Fulfillment) -> bool:
    heir = living_replacement(part)
    if heir is None:
        return False
    return part.state in DONE_FOR or part.lines.count() <= heir.lines.count()
