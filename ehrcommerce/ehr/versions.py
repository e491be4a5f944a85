"""Which of two versions of one order is the newer: an EHR may answer for minutes with the one before, from a copy that
lags. What is older than what was read, or than what an event named, is never acted on."""

from datetime import datetime, timedelta

from ehrcommerce.ehr import alerts
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.ehr.schemes import instant
from ehrcommerce.policy.packets import OrderState

ALARM_AFTER = timedelta(minutes=15)


def name(row: ChartReference, version: str, version_at: datetime | None) -> None:
    """An event named this version: from now on nothing older counts. The caller saves the row."""
    if not (version or version_at):
        return
    if not (row.named_version or row.named_at) or _is_older(row.named_version, row.named_at, version, version_at):
        row.named_version, row.named_at = version or row.named_version, version_at or row.named_at


def is_stale(row: ChartReference | None, state: OrderState) -> bool:
    """Whether what was read is older than what we know there to be."""
    if row is None:
        return False
    read_at = instant(state.updated_at)
    return _is_older(state.version, read_at, row.named_version, row.named_at) or _is_older(
        state.version, read_at, row.version, row.version_at
    )


def accept(row: ChartReference, state: OrderState) -> None:
    """This version was read and counts."""
    ChartReference.objects.filter(pk=row.pk).update(
        version=state.version, version_at=instant(state.updated_at), named_version="", named_at=None, stale_since=None
    )


def mark_stale(row: ChartReference, at: datetime) -> None:
    ChartReference.objects.filter(pk=row.pk, stale_since=None).update(stale_since=at)


def _is_older(version: str, at: datetime | None, other: str, other_at: datetime | None) -> bool:
    """By the numbers where both are numbers, else by the times. Where nothing can be compared, nothing is older."""
    if other and version.isdecimal() and other.isdecimal():
        return int(version) < int(other)
    return at is not None and other_at is not None and at < other_at


def alarm(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: an EHR that has answered with an old version for a quarter of an hour."""
    stale = ChartReference.objects.filter(organization_id=organization_id, stale_since__lte=at - ALARM_AFTER)
    found = list(EhrConnection.objects.filter(pk__in=stale.values("connection")))
    return sum(alerts.note(connection, alerts.STALE, at) for connection in found)
