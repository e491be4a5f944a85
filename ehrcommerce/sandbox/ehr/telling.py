"""From a change in the chart to what is told of it: one row for each subscriber, in the transaction of the change."""

from datetime import datetime, timedelta

from django.db import transaction

from ehrcommerce.sandbox.ehr import fhir_search, messenger, profiles, subscribing, surroundings
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Message, Resource, Subscriber

SWAPPED_S = 2
KEPT = timedelta(days=7)
NOT_TOLD = ("off", "requested")


def changed(row: Resource, resource: Json, at: datetime) -> None:
    """Each subscriber that asked for it is told; who is in error misses it, and its numbers show that."""
    if row.type not in subscribing.TOLD:
        return
    rows = Subscriber.objects.select_for_update().filter(types__contains=[row.type]).exclude(state__in=NOT_TOLD)
    for subscriber in rows.order_by("pk"):
        if _is_asked_for(subscriber, row):
            subscriber.number += 1
            subscriber.save(update_fields=["number"])
            _write(subscriber, row, at)
    transaction.on_commit(messenger.send_due)


def _is_asked_for(subscriber: Subscriber, row: Resource) -> bool:
    """A delete is told whatever the search said."""
    condition = subscribing.condition(subscriber.topic)
    if not condition or row.deleted:
        return True
    found = fhir_search.Query.read(row.type, condition)
    return any(one.pk == row.pk for one in found.matches())


def _write(subscriber: Subscriber, row: Resource, at: datetime) -> None:
    try:
        knobs = surroundings.of_profile(subscriber.profile).knobs
    except profiles.NoProfile:
        return
    late_s = float(knobs["events_late_s"])
    if knobs["events_order"] == "swapped" and subscriber.number % 2:
        late_s += SWAPPED_S
    lost = int(knobs["events_lost"]) and subscriber.number % int(knobs["events_lost"]) == 0
    why_not = "lost" if lost else "in error" if subscriber.state != "active" else ""
    Message.objects.create(
        subscriber=subscriber,
        kind=subscribing.EVENT,
        number=subscriber.number,
        focus=row.reference,
        version=row.version,
        deleted=row.deleted,
        text="" if row.deleted else row.text,
        at=at,
        copies=int(knobs["events_copies"]),
        next_try_at=None if why_not else at + timedelta(seconds=late_s),
        outcome=why_not,
    )


def beat(at: datetime) -> None:
    """What time brings: heartbeats, ends, and what was kept long enough."""
    with transaction.atomic():
        live = Subscriber.objects.select_for_update(skip_locked=True).filter(state="active")
        for subscriber in live.filter(ends_at__lte=at):
            subscribing.set_state(subscriber, "off", at=at)
        for subscriber in live.filter(state="active", heartbeat_at__lte=at):
            subscriber.heartbeat_at = at + timedelta(seconds=subscriber.heartbeat_s)
            subscriber.save(update_fields=["heartbeat_at"])
            Message.objects.create(subscriber=subscriber, kind=subscribing.HEARTBEAT, at=at, next_try_at=at)
            Message.objects.filter(subscriber=subscriber, at__lte=at - KEPT).delete()
    messenger.send_due()
