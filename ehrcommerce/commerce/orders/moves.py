"""One way to move an order: under its row lock, along the table of states, with an event. Nobody assigns a state."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import stock
from ehrcommerce.commerce.orders import fills
from ehrcommerce.commerce.orders.events import note
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import MONEY_MOVES, IllegalMove, OrderState, check, way

OVER = (OrderState.CANCELLED, OrderState.REFUSED)
LEFT = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED, OrderState.RETURNED)


def lock(order_id: int) -> Order:
    """The order, locked until the transaction ends. Always before its fulfillments and payments, so nobody
    deadlocks."""
    return Order.objects.select_for_update(of=("self",)).select_related("offer", "organization").get(pk=order_id)


def lock_by_public_id(public_id: UUID | str) -> Order:
    return (
        Order.objects.select_for_update(of=("self",)).select_related("offer", "organization").get(public_id=public_id)
    )


# Where an order holds items that it will not get, or that have left: their stock is settled.
LETS_GO = frozenset(OrderState.values) - {OrderState.QUOTED, OrderState.GATED}


def _let_go(order: Order) -> None:
    """What will not be sent goes back into stock; what has left is gone. Once for each line."""
    held = OrderLine.objects.filter(order=order, reserved__gt=0).select_related("offer_line")
    for line in held:
        if order.state in OVER or line.accepted is False:
            stock.put_back({line.offer_line.product_id: line.reserved})
        elif order.state not in LEFT:
            continue
        OrderLine.objects.filter(pk=line.pk).update(reserved=0)


def reopen(order: Order, state: str, *, by: Actor, at: datetime, code: str, detail: str) -> None:
    """Something is sent anew, so the order goes back to where that stands: by this one door, never by a partner's word."""
    if order.state in (*OVER, OrderState.QUOTED):
        raise IllegalMove(f"{order.state} -> {state}")
    order.state, order.changed_at = state, at
    order.save(update_fields=["state", "changed_at"])
    note(order, code, by=by, at=at, detail=detail)


def move(
    order: Order, *, by: Actor, at: datetime, code: str = "", detail: str = "", state: str = "", money: str = ""
) -> None:
    """Bring a locked order to `state` and `money` (each "" to leave it), and append the event `code`.

    Raises IllegalMove where no legal way leads there.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An order moves under its row lock only.")
    if state:
        for step in way(order.state, state):
            order.state = step
    if money and money != order.money:
        check(order.money, money, MONEY_MOVES)
        order.money = money
    order.changed_at = at
    order.save(update_fields=["state", "money", "changed_at"])
    if order.state in LETS_GO:
        _let_go(order)
        fills.release(order, at=at)
    if code:
        note(order, code, by=by, at=at, detail=detail)
