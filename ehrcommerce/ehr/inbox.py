"""What an EHR told, written down once: all events of a notification in one statement, the same event twice in one row.
Also what their numbers say: which are missing, and when the EHR began to count anew."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from ehrcommerce.ehr.event_models import ORDER_TYPES
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import (
    EhrConnection,
    Hearing,
    Notification,
    PollingWatermark,
    Subscription,
    SubscriptionState,
)
from ehrcommerce.ehr.schemes import HANDSHAKE, Heard, Hint
from ehrcommerce.outbox import services as outbox

KEPT = timedelta(days=30)
DRAIN = "ehr.events"
BATCH = 5000
FRESH = timedelta(seconds=1)
LOOK_BACK = timedelta(days=1)
_BELL_LOCK = 0x45485242  # advisory lock class: "EHRB"


def take(row: Subscription, heard: Heard, at: datetime) -> None:
    """One notification. Nothing is read from the EHR here, and nothing is acted on: rows, and a bell after commit.

    Many come at once, so nothing here takes a lock: events are one INSERT, and what is counted is a row of its own, which
    whoever drains the inbox takes over (`fold`)."""
    with transaction.atomic():
        if heard.hints:
            write(row.connection, heard.hints, subscription=row, at=at)
        if _is_news(row, heard, at):
            Hearing.objects.create(
                organization_id=row.organization_id, subscription=row, kind=heard.kind, look=heard.look,
                numbers=" ".join(heard.numbers) if row.counted else "", dropped=heard.dropped, in_error=heard.in_error,
                newest_at=heard.newest_at, heard_at=at,
            )  # fmt: skip
            if not heard.hints:
                transaction.on_commit(partial(ring, row.connection, at))


def _is_news(row: Subscription, heard: Heard, at: datetime) -> bool:
    """Whether the subscription must know of it. That it was heard alone is said about once a second."""
    if heard.kind == HANDSHAKE or heard.in_error or heard.dropped or heard.look or (row.counted and heard.numbers):
        return True
    fresh = row.heard_at is not None and timedelta(0) <= at - row.heard_at < FRESH
    return not fresh or row.state == SubscriptionState.SILENT


def write(ehr: EhrConnection, hints: Iterable[Hint], *, subscription: Subscription | None, at: datetime) -> None:
    """INSERT ... ON CONFLICT DO NOTHING for all of them, and one bell after the commit."""
    rows = {bytes(one.dedupe_sha256): one for one in (_row(ehr, hint, subscription, at) for hint in hints)}
    if not rows:
        return
    # In one order for all: two notifications with the same events wait for each other, and never in a circle.
    Notification.objects.bulk_create([rows[key] for key in sorted(rows)], ignore_conflicts=True)
    transaction.on_commit(partial(ring, ehr, at))


def ring(ehr: EhrConnection, at: datetime) -> None:
    """One look at the inbox of this connection; a hundred rings before it begins are one.

    A look that has not begun sees what was committed before: then there is nothing to do, and nothing is written. While one
    is under way the next begins a second later, by the sweeper's hand: a flood leads to a look a second, not to one for each
    event. Whoever finds somebody else at it may go: that look begins after a commit that is still to come."""
    subject, where = str(ehr.public_id), ehr.organization_id
    now = outbox.newest(kind=DRAIN, subject=subject, organization_id=where, due_by=at + FRESH, at=at)
    if now.waits:
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_BELL_LOCK, ehr.pk % 2**31])
            if not cursor.fetchone()[0]:
                return
        outbox.plan_next(
            kind=DRAIN, subject=subject, organization_id=where, at=at, even_if_running=True,
            run_at=at + FRESH if now.under_way else None,
        )  # fmt: skip


def _row(connection: EhrConnection, hint: Hint, subscription: Subscription | None, at: datetime) -> Notification:
    """Two events are the same if the EHR says so: by the event's own name, else by its number and time, else by the
    version; else within ten seconds, in which nothing is read twice anyway."""
    told = hint.event or (f"{hint.number} {hint.at}" if hint.number else "")
    told = told or (f"{hint.version} {hint.version_at}" if hint.version or hint.version_at else "")
    told = told or str(hint.at or int(at.timestamp()) // 10)
    said_by = subscription.public_id if subscription else "polling"
    words = "\n".join((str(said_by), hint.resource_type, hint.resource_id, told))
    return Notification(
        organization_id=connection.organization_id, connection=connection, subscription=subscription,
        dedupe_sha256=hashlib.sha256(words.encode()).digest(), resource_type=hint.resource_type,
        focus=chart_key(connection.public_id, hint.resource_type, hint.resource_id), resource_id=hint.resource_id,
        number=hint.number, version=hint.version, version_at=hint.version_at, event_at=hint.at, received_at=at,
    )  # fmt: skip


def look_soon(connection: EhrConnection, types: Iterable[str], at: datetime) -> None:
    """Something changed that was not named: look at everything that changed since the last look (S16). Where nobody ever
    looked the day before is looked at too, and from then on it is looked at; a row that was switched off stays off."""
    for name in sorted(set(ORDER_TYPES.split()) & set(types)):
        PollingWatermark.objects.get_or_create(
            connection=connection, resource_type=name,
            defaults={"organization_id": connection.organization_id, "since_at": at - LOOK_BACK, "next_at": at},
        )  # fmt: skip
    marks = PollingWatermark.objects.filter(connection=connection, resource_type__in=list(types), enabled=True)
    marks.filter(next_at__gt=at).update(next_at=at)


# --------------------------------------------------------------------------------------------------------- what numbers say
COUNTED = (
    "heard_at", "dropped", "state", "checked_at", "newest_event_at", "last_number", "gap_since", "gap_from", "gap_to", "gaps",
    "resets",
)  # fmt: skip


def unfolded(**which: Any) -> list[int]:
    """Subscriptions that were told what they do not know yet."""
    return sorted(set(Hearing.objects.filter(**which).values_list("subscription_id", flat=True)))


def fold(pk: int, at: datetime) -> int:
    """Let a subscription know what came. Where somebody else has its row in hand it is left
    to the next look. Returns of how many notifications it knows now."""
    with transaction.atomic():
        rows = Subscription.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
        locked = rows.select_related("connection").filter(pk=pk).first()
        return 0 if locked is None else _fold(locked, at)


def _fold(locked: Subscription, at: datetime) -> int:
    """Under the row's lock."""
    rows = list(Hearing.objects.filter(subscription=locked).order_by("pk")[:BATCH])
    if not rows:
        return 0
    for one in rows:
        _hear(locked, one)
    for one in _by_their_time([one for one in rows if one.numbers and locked.counted]):
        _number(locked, sorted(map(int, one.numbers.split(" "))), one.newest_at, one.heard_at)
        if one.newest_at and (locked.newest_event_at is None or one.newest_at > locked.newest_event_at):
            locked.newest_event_at = min(one.newest_at, one.heard_at)
    locked.save(update_fields=COUNTED)
    if any(one.look for one in rows):
        look_soon(locked.connection, locked.types, at)
    Hearing.objects.filter(pk__in=[one.pk for one in rows]).delete()
    return len(rows)


def _hear(locked: Subscription, heard: Hearing) -> None:
    """Heard of, and in which state."""
    locked.heard_at = max(locked.heard_at or heard.heard_at, heard.heard_at)
    locked.dropped += heard.dropped
    if heard.in_error:
        locked.state, locked.checked_at = SubscriptionState.ERROR, None
    elif heard.kind == HANDSHAKE or locked.state == SubscriptionState.SILENT:
        locked.state = SubscriptionState.ACTIVE


def _by_their_time(rows: list[Hearing]) -> list[Hearing]:
    """Which of two threads wrote first says nothing: what came together is counted in the order of the EHR's own times,
    where it has given them, so that no number is missed that is there (S10-S12)."""
    if any(one.newest_at is None for one in rows):
        return rows
    return sorted(rows, key=lambda one: (one.newest_at or one.heard_at, min(map(int, one.numbers.split(" "))), one.pk))


def _number(row: Subscription, numbers: Sequence[int], newest_at: datetime | None, at: datetime) -> None:
    last, first, highest = int(row.last_number or 0), numbers[0], numbers[-1]
    if not row.last_number:
        row.last_number = str(highest)
    elif highest > last:
        missing = _missing(last, numbers)
        if missing:
            _open_gap(row, *missing, at)
        row.last_number = str(highest)
    elif _began_anew(row, first, highest, newest_at):
        row.resets += 1
        row.last_number, row.gap_since, row.gap_from, row.gap_to = str(highest), None, "", ""
        row.checked_at = None  # $status is asked, and everything looked at
        look_soon(row.connection, row.types, at)


@transaction.atomic
def counted(row: Subscription, heard: Heard, at: datetime) -> None:
    """The EHR's own count of its events. More than came: the last ones were lost, and no number after them shows it. Fewer:
    it counts anew. What is under way this moment closes its gap by itself within the minute."""
    rows = Subscription.objects.select_for_update(of=("self",), no_key=True).select_related("connection")
    locked = rows.get(pk=row.pk)
    if not locked.counted or not heard.numbers:
        return
    while _fold(locked, at):
        """What came before the answer and was not counted yet is not lost."""
    last, number = int(locked.last_number or 0), int(heard.numbers[-1])
    if number > last:
        _open_gap(locked, last + 1, number, at)
    elif number < last:
        locked.resets, locked.gap_since, locked.gap_from, locked.gap_to = locked.resets + 1, None, "", ""
        look_soon(locked.connection, locked.types, at)
    locked.last_number = str(number)
    locked.save(update_fields=["last_number", "gap_since", "gap_from", "gap_to", "gaps", "resets"])


def _missing(last: int, numbers: Sequence[int]) -> tuple[int, int] | None:
    """The first and the last number between `last` and the highest that did not come."""
    there = {one for one in numbers if one > last}
    if len(there) == numbers[-1] - last:
        return None
    low, high = last + 1, numbers[-1] - 1
    while low in there:
        low += 1
    while high in there:
        high -= 1
    return low, high


def _open_gap(row: Subscription, low: int, high: int, at: datetime) -> None:
    row.gaps += 1
    row.gap_since = row.gap_since or at
    row.gap_from = str(min(low, int(row.gap_from or low)))
    row.gap_to = str(max(high, int(row.gap_to or high)))


def _began_anew(row: Subscription, first: int, highest: int, newest_at: datetime | None) -> bool:
    """A low number of a late event is old by its time as well; one that is newer than all before counts from 1 again.
    Without a time a 1 is taken for it: at worst everything is looked at once too often."""
    if highest >= int(row.last_number):
        return False
    if newest_at is None or row.newest_event_at is None:
        return first <= 1
    return newest_at > row.newest_event_at


@transaction.atomic
def refused(row: Subscription) -> None:
    """A sender that was not proved: counted, and nothing else. While the row is in somebody's hand it is not waited for: a
    flood of forgeries counts as a flood all the same."""
    rows = Subscription.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=row.pk)
    if rows.exists():
        Subscription.objects.filter(pk=row.pk).update(refused=F("refused") + 1)


def forget(organization_id: int, at: datetime) -> int:
    """The eraser: ids and times older than any event that could still come twice."""
    old = Notification.objects.filter(organization_id=organization_id, received_at__lte=at - KEPT)
    pks = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
    left = Hearing.objects.filter(organization_id=organization_id, heard_at__lte=at - KEPT).delete()[0]
    return left + Notification.objects.filter(pk__in=pks).delete()[0]
