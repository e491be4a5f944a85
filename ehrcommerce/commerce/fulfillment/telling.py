"""Who is told of what: the patient by a neutral message, the chart by a status, each as an effect of its own. Losing
one of them harms no order."""

from datetime import datetime, timedelta

from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import chosen

# Event -> the message template status_<name>. Of an order once, of a parcel once for each; of money each time.
ORDER_NEWS = {
    Code.PAYMENT_AUTHORIZED: "paid", Code.PAYMENT_REFUNDED: "refunded", Code.ORDER_STOPPED: "stopped",
    Code.CANCELLED: "cancelled", Code.REFUSED: "refused", Code.PARTLY_ACCEPTED: "news",
}  # fmt: skip
PARCEL_NEWS = {
    Code.ACCEPTED: "accepted", Code.PARTLY_ACCEPTED: "news", Code.SHIPPED: "shipped", Code.DELIVERED: "delivered",
    Code.RETURNED: "returned", Code.REFUSED: "refused", Code.EXCEPTION: "problem", Code.CANCEL_TOO_LATE: "news",
}  # fmt: skip
REPORTED = frozenset(
    {Code.DISPATCHED, Code.ACCEPTED, Code.PARTLY_ACCEPTED, Code.SHIPPED, Code.DELIVERED, Code.COMPLETED, Code.RETURNED,
     Code.REFUSED, Code.CANCELLED, Code.CANCEL_TOO_LATE, Code.ORDER_STOPPED, Code.EXCEPTION}
)  # fmt: skip
STALE_AFTER = timedelta(hours=24)


def about(order: Order, fulfillment: Fulfillment, code: str, *, at: datetime) -> None:
    """Plan what follows from an event of one fulfillment."""
    if code in PARCEL_NEWS:
        _message(order, f"f:{fulfillment.public_id}:{PARCEL_NEWS[Code(code)]}", at)
    else:
        about_order(order, code, at=at)
    if code in REPORTED:
        _report(fulfillment, at)


def about_order(order: Order, code: str, *, at: datetime) -> None:
    """Plan the message of an event that concerns the whole order."""
    if code in ORDER_NEWS:
        _message(order, f"o:{order.public_id}:{ORDER_NEWS[Code(code)]}", at)


def _message(order: Order, subject: str, at: datetime) -> None:
    again = subject.endswith(":refunded")
    (outbox.plan_next if again else outbox.plan)(
        kind="fulfillment.notify",
        subject=subject,
        organization_id=order.organization_id,
        at=at,
        deadline_at=at + STALE_AFTER,
    )


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
