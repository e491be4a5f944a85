"""A prescription is filled once, and again as often as its prescriber said: never more, however many links there are
to it and however many hands order at once (REL-P23). The last word before an order is written."""

from collections.abc import Iterable

from django.db import connection

from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import errors
from ehrcommerce.commerce.orders.models import OrderLine
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.policy.digests import from_json
from ehrcommerce.policy.packets import PRESCRIPTION

# What came to nothing; a medicine that came back was dispensed all the same.
NOT_FILLED = (OrderState.CANCELLED, OrderState.REFUSED)
_FILLING_LOCK = 7_301_123


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
    repeats = from_json(line.packet).repeats
    return 1 + (int(repeats) if repeats.isdecimal() else 0)


def filled(line: OfferLine) -> int:
    """How many orders of this prescription were dispensed, or are on their way to it."""
    rows = OrderLine.objects.filter(organization_id=line.organization_id, offer_line__order_key=line.order_key)
    return rows.exclude(order__state__in=NOT_FILLED).exclude(accepted=False).count()


def _alone_with(line: OfferLine) -> None:
    with connection.cursor() as cursor:
        name = f"{line.organization_id}:{line.order_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_FILLING_LOCK, name])
