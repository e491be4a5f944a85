"""No news is news: how much an EHR tells in each hour of the week was learned from the weeks before, and where nothing
comes in hours that always brought something, people are told and we look ourselves.

Learned is the lowest count of the same hour in the three weeks before the last event: a quiet night, a weekend and a
holiday expect nothing. Who knows better writes the hours at the subscription."""

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncHour

from ehrcommerce.ehr import alerts, polling
from ehrcommerce.ehr.models import EhrConnection, Notification, Subscription

WEEKS: Final = 3
LEAST: Final = 5
HOUR, LONGEST = timedelta(hours=1), timedelta(days=7)
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PART = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d{1,2})-(\d{1,2})")


def hours(text: str) -> frozenset[tuple[int, int]]:
    """`mon-fri 08-18, sat 9-13` as (day of the week, hour). Raises ValueError."""
    found: set[tuple[int, int]] = set()
    for part in filter(None, (one.strip().lower() for one in text.split(","))):
        said = _PART.fullmatch(part)
        if said is None or said[1] not in DAYS or (said[2] or said[1]) not in DAYS:
            raise ValueError("Hours are written like: mon-fri 08-18, sat 9-13")
        first, last = DAYS.index(said[1]), DAYS.index(said[2] or said[1])
        begin, end = int(said[3]), int(said[4])
        if not (first <= last and 0 <= begin < end <= 24):
            raise ValueError("Days and hours run forward: mon-fri 08-18")
        found |= {(day, hour) for day in range(first, last + 1) for hour in range(begin, end)}
    return frozenset(found)


def quiet_s(since: datetime, at: datetime, within: frozenset[tuple[int, int]], zone: ZoneInfo) -> float:
    """How many seconds of these hours lie between two moments."""
    total, moment = 0.0, max(since, at - LONGEST)
    while moment < at:
        local = moment.astimezone(zone)
        after = min(at, _next_hour(moment, zone))
        if (local.weekday(), local.hour) in within:
            total += (after - moment).total_seconds()
        moment = after
    return total


def expected(connection: EhrConnection, at: datetime) -> int:
    """How many events there were at least, in each of the weeks before, in the whole hours since the last one."""
    zone = ZoneInfo(connection.organization.time_zone)
    told = Notification.objects.filter(connection=connection, organization_id=connection.organization_id)
    told = told.filter(subscription__isnull=not _is_told(connection))
    last = told.filter(received_at__lte=at).order_by("-pk").values_list("received_at", flat=True).first()
    if last is None or at - last < HOUR:
        return 0
    counts = {
        row["hour"].replace(tzinfo=None): row["count"]
        for row in told.filter(received_at__gt=last - timedelta(weeks=WEEKS) - HOUR, received_at__lte=last)
        .annotate(hour=TruncHour("received_at", tzinfo=zone)).values("hour").annotate(count=Count("pk"))
    }  # fmt: skip
    total, moment = 0, _next_hour(last, zone)
    while moment + HOUR <= min(at, last + LONGEST):
        local = moment.astimezone(zone).replace(tzinfo=None)
        total += min(counts.get(local - timedelta(weeks=week), 0) for week in range(1, WEEKS + 1))
        moment += HOUR
    return total


def _next_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the next hour of the clinic begins."""
    local = moment.astimezone(zone)
    return moment + HOUR - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _is_told(connection: EhrConnection) -> bool:
    """Of an EHR that tells of changes its own word counts; of another one what we find."""
    return Subscription.objects.filter(connection=connection, enabled=True).exclude(heard_at=None).exists()


def watch(organization_id: int, at: datetime) -> int:
    """The sweeper's chore. Returns of how many EHRs nothing came where something always did."""
    found = 0
    for connection in EhrConnection.objects.filter(organization_id=organization_id, enabled=True):
        if alerts.UNUSUAL not in connection.standing_alerts and expected(connection, at) >= LEAST:
            found += alerts.note(connection, alerts.UNUSUAL, at)
            polling.sweep(connection, at=at)
    return found
