"""What fulfillment does when orders speak. In their transaction, under their lock."""

from datetime import datetime
from typing import Any

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import parts, progress, services, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import OrderState


def on_authorized(sender: Any, *, order: Order, at: datetime, **_: Any) -> None:
    """The patient hears that we have the order only where something comes; what does not come is said too."""
    services.begin(order, at)
    if something_comes := order.fulfillments.exists():
        telling.begun(order, at=at)
    if OrderLine.objects.filter(order=order, accepted=False).exists():
        telling.about_order(order, Code.PARTLY_ACCEPTED if something_comes else Code.REFUSED, at=at)


def on_cancel_wanted(sender: Any, *, order: Order, reason: str, by: Actor, at: datetime, **_: Any) -> None:
    _stop_all(order, reason, code="", by=by, at=at)


def on_stopped(sender: Any, *, order: Order, reason: str, at: datetime, **_: Any) -> None:
    _stop_all(order, reason, code=Code.ORDER_STOPPED, by=progress.system(), at=at)


def on_money_moved(sender: Any, *, order: Order, code: str, at: datetime, **_: Any) -> None:
    telling.about_order(order, code, at=at)
    if code == Code.PAYMENT_VOIDED and order.state == OrderState.CANCELLED and not order.fulfillments.exists():
        # Cancelled before it was paid, paid all the same: nobody else tells that nothing comes and nothing is taken.
        telling.about_order(order, Code.CANCELLED, at=at)


def _stop_all(order: Order, reason: str, *, code: str, by: Actor, at: datetime) -> None:
    rows = Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier").filter(order=order)
    # Who stands aside is settled before the first one is stopped: a part would else be asked back because what is sent in
    # its place was stopped a moment ago, in whatever order the rows came.
    for fulfillment in [one for one in rows.order_by("pk") if not parts.living_replacement(one)]:
        progress.stop(order, fulfillment, reason, code=code, by=by, at=at)
