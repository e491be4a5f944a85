"""A prescription is filled once, and again as often as its prescriber said: never more, however many links there are
to it and however many hands order at once (REL-P23). The last word before an order is written; each order takes a numbered
fill, so that the database itself refuses one too many."""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import errors
from ehrcommerce.commerce.orders.models import Fill, Order, OrderLine
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.policy.digests import from_json
from ehrcommerce.policy.packets import PRESCRIPTION, OrderedItem

# What came to nothing; a medicine that came back was dispensed all the same.
NOT_FILLED = (OrderState.CANCELLED, OrderState.REFUSED)
_FILLING_LOCK = 7_301_123
MOST = 99


def require_left(lines: Iterable[OfferLine]) -> None:
    """Inside the transaction that writes the order. Raises NoFillLeft. Two orders of one prescription wait for each other
    here, in the order of their keys, so that neither waits for ever."""
    for line in sorted(lines, key=lambda line: line.order_key):
        if line.kind == PRESCRIPTION:
            _alone_with(line)
            if filled(line) >= authorized(line):
                raise errors.NoFillLeft


def authorized(line: OfferLine) -> int:
    """The first filling and the refills; where the prescriber named no number there are none."""
    return allowed(from_json(line.packet))


def allowed(item: OrderedItem) -> int:
    """The same of a packet."""
    repeats = item.repeats.strip()
    return 1 + min(int(repeats), MOST) if repeats.isascii() and repeats.isdigit() else 1


def filled(line: OfferLine) -> int:
    """How many orders of this prescription were dispensed, or are on their way to it."""
    return _filled(line.organization_id, line.order_key)


def left(item: OrderedItem, *, organization_id: int) -> int:
    """How many more the prescriber allows, of a prescription as it stands in the chart now."""
    return max(0, allowed(item) - _filled(organization_id, item.key))


def _filled(organization_id: int, order_key: str) -> int:
    rows = OrderLine.objects.filter(organization_id=organization_id, offer_line__order_key=order_key)
    return rows.exclude(order__state__in=NOT_FILLED).exclude(accepted=False).count()


def take(line: OrderLine, *, at: datetime) -> Fill | None:
    """The lowest free number for this line of an order that is just being placed, after `require_left` and under its lock;
    None for what is no prescription. Orders from before there were numbers count too."""
    offered = line.offer_line
    if offered.kind != PRESCRIPTION:
        return None
    mine = Fill.objects.filter(organization_id=line.organization_id, order_key=offered.order_key, released_at=None)
    older = OrderLine.objects.filter(
        organization_id=line.organization_id, offer_line__order_key=offered.order_key, fill=None
    ).exclude(pk=line.pk)
    older = older.exclude(order__state__in=NOT_FILLED).exclude(accepted=False)
    taken = set(mine.values_list("number", flat=True)) | set(range(1, older.count() + 1))
    return Fill.objects.create(
        organization_id=line.organization_id, order_key=offered.order_key, line=line, taken_at=at,
        number=next(number for number in range(1, MOST + 3) if number not in taken), allowed=authorized(offered),
    )  # fmt: skip


def release(order: Order, *, at: datetime) -> None:
    """What will not be dispensed is free again: under the order's lock."""
    fills = Fill.objects.filter(line__order=order, released_at=None)
    (fills if order.state in NOT_FILLED else fills.filter(line__accepted=False)).update(released_at=at)


def _alone_with(line: OfferLine) -> None:
    with connection.cursor() as cursor:
        name = f"{line.organization_id}:{line.order_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_FILLING_LOCK, name])
