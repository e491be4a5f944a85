"""Whether what EHRs tell is all of it: numbers that are missing, and silence. Either way we look ourselves."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ehrcommerce.ehr import alerts, inbox, polling, silence, subscriptions
from ehrcommerce.ehr.models import Notification, Subscription, SubscriptionState

LATE = timedelta(seconds=60)
MOST_NUMBERS = 1000


def tend(organization_id: int, at: datetime) -> int:
    """The sweeper's chore. Returns at how many subscriptions something was missing."""
    for pk in inbox.unfolded(organization_id=organization_id):
        inbox.fold(pk, at)
    rows = Subscription.objects.filter(organization_id=organization_id, enabled=True, connection__enabled=True)
    return sum(_tend(row, at) for row in rows.select_related("connection__organization"))


def _tend(row: Subscription, at: datetime) -> bool:
    gap = row.gap_since is not None and at - row.gap_since >= LATE
    if gap:
        if not _came_late(row) and not subscriptions.missed(row, at):
            # Without its events the EHR may still say how it stands; what it does not name is looked for.
            said = subscriptions.standing(row, at)
            if said is not None and said.in_error:
                Subscription.objects.filter(pk=row.pk).update(state=SubscriptionState.ERROR, checked_at=None)
                row.checked_at = None
            polling.sweep(row.connection, at=at)
        _close(row)
    silent = _is_silent(row, at)
    if silent:
        alerts.note(row.connection, alerts.QUIET, at)
        Subscription.objects.filter(pk=row.pk).update(state=SubscriptionState.SILENT, checked_at=None)
        polling.sweep(row.connection, at=at)
    if row.managed and subscriptions.due(row, at):
        subscriptions.want(row, at=at)
    return gap or silent


def _came_late(row: Subscription) -> bool:
    """Delivery is unordered: within a minute what was missing may have come (S10)."""
    low, high = int(row.gap_from), int(row.gap_to)
    if high - low >= MOST_NUMBERS:
        return False
    numbers = [str(one) for one in range(low, high + 1)]
    there = Notification.objects.filter(subscription=row, number__in=numbers)
    return there.values("number").distinct().count() == len(numbers)


def _close(row: Subscription) -> None:
    """Only the gap that was looked at: one that was found meanwhile stays open."""
    Subscription.objects.filter(pk=row.pk, gap_from=row.gap_from, gap_to=row.gap_to).update(
        gap_since=None, gap_from="", gap_to=""
    )


def _is_silent(row: Subscription, at: datetime) -> bool:
    """S13: twice the heartbeat, or longer than this connection is ever quiet in its hours. Said once, until it is heard
    again."""
    if row.state not in (SubscriptionState.ACTIVE, SubscriptionState.REQUESTED):
        return False
    since = row.heard_at or row.created_at
    if row.heartbeat_s and at - since > timedelta(seconds=2 * row.heartbeat_s):
        return True
    if not row.quiet_after_s:
        return False
    if not row.news_hours:
        return at - since > timedelta(seconds=row.quiet_after_s)
    # Heartbeats are no news.
    events = Notification.objects.filter(subscription=row).order_by("-pk").values_list("received_at", flat=True)
    zone = ZoneInfo(row.connection.organization.time_zone)
    return silence.quiet_s(events.first() or row.created_at, at, silence.hours(row.news_hours), zone) > row.quiet_after_s
