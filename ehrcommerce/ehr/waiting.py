"""Orders that nothing but the catalog stands against: no product for their code, several, no price, another amount. They
wait, and once the catalog says something else, whoever changed it and however, each is read again and goes the way of an
order that has just come. Nothing of an order is kept but which one it is."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.retention import BATCH
from ehrcommerce.ehr import inbox
from ehrcommerce.ehr.arrivals import Arrival
from ehrcommerce.ehr.models import EhrConnection, WaitingOrder
from ehrcommerce.ehr.schemes import Hint

KEPT = timedelta(days=30)
AT_ONCE = 200
# What the catalog team can mend; the rest is the chart's, or stands for ever.
MENDABLE = frozenset({"no_product", "ambiguous", "no_price", "retired", "other_quantity"})
QUEUED = frozenset({"no_product", "ambiguous"})


def witness(arrival: Arrival) -> None:
    """An order came, and whoever acts by itself has seen it: does it wait for the catalog?"""
    order, organization_id = arrival.order, arrival.organization_id
    mine = WaitingOrder.objects.filter(organization_id=organization_id, focus=order.item.key)
    # Before the match: what is mapped meanwhile is another revision, and it is tried again.
    revision = catalog.revision(organization_id)
    refusal = catalog.match(order.item, organization_id=organization_id, unattended=True).refusal
    seen = arrival.access.seen.get(order.item.key)
    # What a clinician sent already, or a rule has begun with, does not wait for the catalog.
    if not arrival.is_new or order.state.refusal or refusal not in MENDABLE or seen is None:
        mine.delete()
        return
    if refusal in QUEUED:
        catalog.reopen(order.item, organization_id=organization_id, at=arrival.at, reason=refusal)
    WaitingOrder.objects.update_or_create(
        organization_id=organization_id, focus=order.item.key,
        defaults={"revision": revision},
        create_defaults={
            "connection": arrival.connection, "customer_key": arrival.customer_key, "resource_type": seen[0],
            "resource_id": seen[1], "revision": revision, "since_at": arrival.at,
        },
    )  # fmt: skip


def tend(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: into the inbox with what waits since before the catalog's last change. Returns how many."""
    rows = WaitingOrder.objects.filter(organization_id=organization_id, connection__enabled=True)
    if not rows.exists():
        return 0
    revision = catalog.revision(organization_id)
    with transaction.atomic():
        due = rows.exclude(revision=revision).select_for_update(of=("self",), skip_locked=True).order_by("pk")
        found = list(due[:AT_ONCE])
        for connection in EhrConnection.objects.filter(pk__in={row.connection_id for row in found}):
            hints = [
                Hint(row.resource_type, row.resource_id, event=f"catalog {row.pk} {row.tries}")
                for row in found if row.connection_id == connection.pk
            ]  # fmt: skip
            inbox.write(connection, hints, subscription=None, at=at)
        WaitingOrder.objects.filter(pk__in=[row.pk for row in found]).update(revision=revision, tries=F("tries") + 1)
    return len(found)


def erase(organization_id: int, at: datetime) -> int:
    """The eraser: what nobody mapped in a month."""
    old = WaitingOrder.objects.filter(organization_id=organization_id, since_at__lte=at - KEPT)
    old = old.exclude(customer_key__in=holds.standing(organization_id, at))
    pks = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return WaitingOrder.objects.filter(pk__in=pks).delete()[0]


def forget(organization_id: int, customer_key: str, order_keys: frozenset[str]) -> int:
    """One person's, at once."""
    return WaitingOrder.objects.filter(organization_id=organization_id, customer_key=customer_key).delete()[0]
