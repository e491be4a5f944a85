"""Who is told of what: the patient by a neutral message, the chart by a status, each as an effect of its own. Losing
one of them harms no order."""

from datetime import datetime, timedelta

from ehrcommerce.commerce.fulfillment import parts
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import STANDING, Contact
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import PROGRESS, OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port
from ehrcommerce.suppliers.ports import NoSupplier

# Event -> the message template status_<name>. Of an order once, of a part once for each; of money each time.
ORDER_NEWS = {
    Code.PAYMENT_AUTHORIZED: "paid", Code.PAYMENT_REFUNDED: "refunded", Code.ORDER_STOPPED: "stopped",
    Code.CANCELLED: "cancelled", Code.REFUSED: "refused", Code.PARTLY_ACCEPTED: "news",
    Code.HOLD_ENDED: "pay_again", Code.REFUND_LATE: "news",
}  # fmt: skip
# A step of the whole order: where it has several parts, said at the first ("part of your order") and at the last.
STEPS = {Code.ACCEPTED: "accepted", Code.SHIPPED: "shipped", Code.DELIVERED: "delivered"}
PART, ALL = "_part", "_all"
PARCEL_NEWS = {
    Code.PARTLY_ACCEPTED: "news", Code.RETURNED: "returned", Code.REFUSED: "refused", Code.EXCEPTION: "problem",
    Code.CANCEL_TOO_LATE: "news", Code.BACKORDERED: "news", Code.QUESTION: "news",
    Code.REPLACEMENT: "news", Code.PARCEL_BACK: "returned", Code.CONSENT_ASKED: "news",
}  # fmt: skip
# An order that nobody confirmed, since the patient said yes to such before.
COMING = "coming"
# Every name that news of an order, and of one parcel, can have.
ORDER_NAMES = (
    *ORDER_NEWS.values(), COMING, *(f"{step}{end}" for step in STEPS.values() for end in ("", PART, ALL)),
)  # fmt: skip
PARCEL_NAMES = (*PARCEL_NEWS.values(), *STEPS.values())  # the steps as older rows name them
REPORTED = frozenset(
    {Code.DISPATCHED, Code.ACCEPTED, Code.PARTLY_ACCEPTED, Code.SHIPPED, Code.DELIVERED, Code.COMPLETED, Code.RETURNED,
     Code.REFUSED, Code.CANCELLED, Code.CANCEL_TOO_LATE, Code.ORDER_STOPPED, Code.EXCEPTION}
)  # fmt: skip
OVER = (OrderState.CANCELLED, OrderState.REFUSED)
STALE_AFTER = timedelta(hours=24)


def about(order: Order, fulfillment: Fulfillment, code: str, *, at: datetime) -> None:
    """Plan what follows from an event of one fulfillment."""
    if code in STEPS and fulfillment.replaces_id is not None:
        # Of what is sent anew, by itself: the order's own step was told with the first.
        if code != Code.ACCEPTED:
            _message(order, f"f:{fulfillment.public_id}:{STEPS[Code(code)]}", at)
    elif code in STEPS:
        _step(order, code, at)
    elif code in PARCEL_NEWS:
        _message(order, f"f:{fulfillment.public_id}:{PARCEL_NEWS[Code(code)]}", at)
    else:
        about_order(order, code, at=at)
    if code in REPORTED:
        _report(fulfillment, at)


def about_order(order: Order, code: str, *, at: datetime) -> None:
    """Plan the message of an event that concerns the whole order."""
    if code in ORDER_NEWS:
        _message(order, f"o:{order.public_id}:{ORDER_NEWS[Code(code)]}", at)


def begun(order: Order, *, at: datetime) -> None:
    """Something comes: to whoever ordered it that it was heard, to whoever was not asked this time that it comes, and how
    to stop it."""
    if order.offer.links.filter(end_reason=STANDING).exists():
        _message(order, f"o:{order.public_id}:{COMING}", at)
    else:
        about_order(order, Code.PAYMENT_AUTHORIZED, at=at)


def _step(order: Order, code: str, at: datetime) -> None:
    """One message for each real step of the order, however many parcels it comes in."""
    name, states = STEPS[Code(code)], _living(order)
    there = all(_has_reached(state, code) for state in states)
    if code == Code.ACCEPTED:
        # Not of a part, and not after something has left: "it is being packed" would be old news then.
        if set(states) == {OrderState.ACCEPTED}:
            _message(order, f"o:{order.public_id}:{name}", at)
    elif len(states) == 1:
        _message(order, f"o:{order.public_id}:{name}", at)
    else:
        _message(order, f"o:{order.public_id}:{name}{ALL if there else PART}", at)


def is_overtaken(order: Order, name: str) -> bool:
    """Whether the news of a part has become the news of the whole before it was sent."""
    if not name.endswith(PART):
        return False
    return all(_has_reached(state, name.removesuffix(PART)) for state in _living(order))


def _living(order: Order) -> list[str]:
    return [one.state for one in parts.counting(order) if one.state not in OVER]


def _has_reached(state: str, step: str) -> bool:
    return PROGRESS.get(state, 0) >= PROGRESS[step]


def _message(order: Order, subject: str, at: datetime) -> None:
    again = subject.endswith((":refunded", ":pay_again"))
    (outbox.plan_next if again else outbox.plan)(
        kind="fulfillment.notify",
        subject=subject,
        organization_id=order.organization_id,
        at=at,
        deadline_at=at + STALE_AFTER,
        recipient=_messenger_of(order, at),
    )


def _messenger_of(order: Order, at: datetime) -> str:
    """Chosen now and kept in the row; "" where there is none yet, and then the first try chooses."""
    try:
        channel = Contact.objects.filter(offer=order.offer, carries_link=True).values_list("channel", flat=True).first()
        return chosen.choose(
            organization_id=order.organization_id, port=Port.MESSAGING, at=at, channel=channel or ""
        ).party  # fmt: skip
    except NoSupplier:
        return ""


def _report(fulfillment: Fulfillment, at: datetime) -> None:
    """Each time anew: a state may come back, and a report that is under way may have read the one before."""
    chart = chosen.chart()
    for line in fulfillment.lines.select_related("order_line__offer_line"):
        key = line.order_line.offer_line.order_key
        if chart.may_report(organization_id=fulfillment.organization_id, key=key):
            outbox.plan_next(
                kind="chart.report", subject=f"{line.order_line.public_id}:{fulfillment.state}",
                organization_id=fulfillment.organization_id, at=at, even_if_running=True,
            )  # fmt: skip
