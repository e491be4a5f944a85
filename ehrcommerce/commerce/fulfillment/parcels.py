"""The parcels of a part: what is said of each, whether all have arrived, and, for parcels from before there was a blind index,
theirs, a few at a time, by the clock."""

from datetime import datetime

from django.db.models import F, Func, IntegerField

from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment, tracking_digest
from ehrcommerce.commerce.orders.states import PROGRESS, OrderState
from ehrcommerce.suppliers.ports import SupplyStatus
from ehrcommerce.vault.keys import VaultError

BATCH = 200
_O = OrderState
# A parcel in one of these does not come any more; the others decide whether all have arrived.
GONE = ("lost", _O.RETURNED)


def hear(fulfillment: Fulfillment, status: SupplyStatus, state: str, *, at: datetime) -> list[Shipment]:
    """Take over what is said of parcels. Returns those of several that came back just now."""
    if status.parcels:
        return _each(fulfillment, status, at)
    parcel = fulfillment.shipments.order_by("pk").first()
    if parcel is None:
        parcel = Shipment(organization_id=fulfillment.organization_id, fulfillment=fulfillment, shipped_at=at)
    parcel.carrier, parcel.tracking_number = (
        status.carrier or parcel.carrier,
        status.tracking_number or parcel.tracking_number,
    )
    if fulfillment.shipments.count() < 2 or state in (_O.DELIVERED, _O.COMPLETED):
        _move(parcel, state, at)  # else what is said of the whole says nothing of one of several
    parcel.save()
    for other in fulfillment.shipments.exclude(pk=parcel.pk).exclude(state__in=GONE):
        if state in (_O.DELIVERED, _O.COMPLETED):
            _move(other, state, at)
            other.save()
    return []


def claimed(fulfillment: Fulfillment, status: SupplyStatus) -> str:
    """What a supplier says of the whole; but not that all is there while its own list of parcels says that one is not."""
    listed = [one.state for one in status.parcels]
    if status.state != _O.DELIVERED or _O.DELIVERED not in listed:
        return status.state
    rows = {row.tracking_number: row.state for row in fulfillment.shipments.all()}
    for one in status.parcels:
        before = rows.get(one.tracking_number, "")
        behind = PROGRESS.get(one.state, 0) < PROGRESS.get(before, 0)
        rows[one.tracking_number] = before if behind or (before == "lost" and one.state != _O.DELIVERED) else one.state
    return _O.DELIVERED if together(list(rows.values())) == _O.DELIVERED else _O.SHIPPED


def _each(fulfillment: Fulfillment, status: SupplyStatus, at: datetime) -> list[Shipment]:
    """An order that goes in several parcels: one row for each number, and none goes back a step."""
    known = {parcel.tracking_number: parcel for parcel in fulfillment.shipments.order_by("pk")}
    back = []
    for one in status.parcels:
        parcel = known.get(one.tracking_number) or Shipment(
            organization_id=fulfillment.organization_id, fulfillment=fulfillment, shipped_at=at,
            tracking_number=one.tracking_number,
        )  # fmt: skip
        before = parcel.state
        if PROGRESS.get(one.state, 0) >= PROGRESS.get(parcel.state, 0) or one.state == _O.EXCEPTION:
            _move(parcel, one.state, at)
        parcel.carrier = one.carrier or parcel.carrier
        parcel.skus = list(one.skus) or parcel.skus
        parcel.save()
        if parcel.state == _O.RETURNED != before and (len(known) > 1 or len(status.parcels) > 1):
            back.append(parcel)
    return back


def _move(parcel: Shipment, state: str, at: datetime) -> None:
    """What was given up for lost and arrives all the same has arrived; a delivered one is in no trouble any more."""
    if parcel.state == "lost" and state != _O.DELIVERED:
        return
    if not (state == _O.EXCEPTION and parcel.state in (_O.DELIVERED, _O.COMPLETED, _O.RETURNED)):
        parcel.state = state
    if state in (_O.DELIVERED, _O.COMPLETED) and parcel.delivered_at is None:
        parcel.delivered_at = at


def arrived(states: list[str]) -> tuple[int, int]:
    """How many have arrived, and of how many that come at all."""
    coming = [state for state in states if state not in GONE]
    return sum(state in (_O.DELIVERED, _O.COMPLETED) for state in coming), len(coming)


def together(states: list[str]) -> str:
    """What the parcels of one part amount to: delivered only when all are that come, back only when all are."""
    have, of = arrived(states)
    if not of:
        return _O.RETURNED if _O.RETURNED in states else ""
    if have == of:
        return _O.DELIVERED
    return _O.EXCEPTION if _O.EXCEPTION in states else _O.SHIPPED


def fill_digests(organization_id: int, at: datetime) -> int:
    """The chore. A number that does not open is left: the vault has rung already."""
    size = Func(F("tracking_number"), function="octet_length", output_field=IntegerField())
    rows = Shipment.objects.annotate(size=size).filter(organization_id=organization_id, size__gt=0, tracking_digest=b"")
    filled = 0
    for row in rows.select_related("fulfillment__order__offer").order_by("-pk")[:BATCH]:
        try:
            digest = tracking_digest(organization_id, row.tracking_number)
        except VaultError:
            continue
        # Only what still has a number: whoever erases it meanwhile has erased its index as well.
        still = Shipment.objects.annotate(size=size).filter(pk=row.pk, size__gt=0, tracking_digest=b"")
        filled += still.update(tracking_digest=digest)
    return filled
