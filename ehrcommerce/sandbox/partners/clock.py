"""The passing of time at the partners: orders move on, parcels travel, payment sessions end, callbacks go out.

The site's clock thread calls `beat` about twice a second. Everything due is found in rows, so that the site may be
stopped and started at any moment.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from . import callbacks, moves, payments
from .models import Parcel, SupplierOrder, Switchboard

AT_ONCE = 100
AUTOMATIC = {"received": "accepted", "accepted": "packed", "packed": "shipped", "shipped": "delivered"}
PARCEL_NEXT = {"label_created": "in_transit", "in_transit": "out_for_delivery"}


def beat() -> None:
    """Do all that is due now."""
    at = timezone.now()
    pace_s = Switchboard.current().pace_s()
    if pace_s > 0:
        move_parcels(at=at, pace_s=pace_s)
        move_orders(at=at, pace_s=pace_s)
    payments.expire_due(at=at)
    callbacks.send_due()


@transaction.atomic
def move_orders(*, at: datetime, pace_s: float) -> None:
    """One step for each order that has rested long enough. What a person does meanwhile wins: its row is skipped."""
    rested = SupplierOrder.objects.select_for_update(skip_locked=True).filter(
        status__in=AUTOMATIC, moved_at__lte=at - timedelta(seconds=pace_s)
    )
    for order in rested.order_by("pk")[:AT_ONCE]:
        moves.move(order, to=AUTOMATIC[order.status], at=at)


@transaction.atomic
def move_parcels(*, at: datetime, pace_s: float) -> None:
    """A parcel is seen twice between label and door, within the one step that its order takes."""
    orders = SupplierOrder.objects.select_for_update(skip_locked=True).filter(
        status="shipped",
        parcel__status__in=PARCEL_NEXT,
        parcel__moved_at__lte=at - timedelta(seconds=pace_s / 3),
    )
    for order in orders.order_by("pk")[:AT_ONCE]:
        parcel = Parcel.objects.get(order=order)
        moves.move_parcel(parcel, to=PARCEL_NEXT[parcel.status], at=at)
