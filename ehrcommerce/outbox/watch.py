"""Silence is an alarm. The sweeper leaves a mark each round; how old it is, how far clocks are apart, and how long work
waits are numbers that a monitor reads (/metrics, /healthz/sweeper) and the back office shows. No ids, no names."""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from ehrcommerce.outbox.models import Heartbeat

log = logging.getLogger(__name__)
SWEEPER = "sweeper"
BEAT_EVERY_S = 5.0
# Older than this and nobody finds what the doorbell did not announce: page somebody.
SILENT_AFTER = timedelta(seconds=60)
# Leases and links use the database's clock, deadlines and signatures the process's own (REL-P29).
SKEW_ALARM_S = 120.0
ALARM_AGAIN_S = 600.0
_alarmed_at = -ALARM_AGAIN_S


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def beat(name: str = SWEEPER) -> float:
    """Leave the mark. Returns how many seconds this machine's clock is ahead of the database's; an alarm where that is
    too far."""
    before = timezone.now()
    theirs = database_now()
    mine = before + (timezone.now() - before) / 2
    skew_s = round((mine - theirs).total_seconds(), 3)
    Heartbeat.objects.update_or_create(name=name, defaults={"at": theirs, "skew_s": skew_s})
    _alarm(skew_s)
    return skew_s


def _alarm(skew_s: float) -> None:
    global _alarmed_at
    if abs(skew_s) > SKEW_ALARM_S and time.monotonic() - _alarmed_at >= ALARM_AGAIN_S:
        _alarmed_at = time.monotonic()
        log.error("this machine's clock is %+.0f s from the database's: set it by NTP", skew_s)


def silence(name: str = SWEEPER) -> timedelta | None:
    """How long nothing was heard, by the database's clock; None where nothing ever was."""
    row = Heartbeat.objects.filter(name=name).first()
    return max(database_now() - row.at, timedelta()) if row else None


def is_silent(name: str = SWEEPER) -> bool:
    heard = silence(name)
    return heard is None or heard > SILENT_AFTER


@dataclass(frozen=True, slots=True)
class Waiting:
    """Effects of one queue, kind and state that have not ended, over all organizations: how many, and the age of the
    oldest; `late_s` is how long the most overdue one should have been looked at."""

    queue: str
    kind: str
    state: str
    count: int
    oldest_s: float
    late_s: float


def waiting() -> list[Waiting]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT queue, kind, state, number, oldest_s, late_s FROM ehrc_effect_ages()")
        return [Waiting(*row) for row in cursor.fetchall()]


def metrics() -> str:
    """All of it in the text format that Prometheus reads."""
    return "\n".join([*_lines(), ""])


def _lines() -> Iterator[str]:
    rows = waiting()
    yield from _gauge("ehrc_effects", "Effects that have not ended.", [(row, row.count) for row in rows])
    yield from _gauge("ehrc_effect_oldest_seconds", "Age of the oldest of them.", [(row, row.oldest_s) for row in rows])
    late = "How long the most overdue one waits past its time."
    yield from _gauge("ehrc_effect_late_seconds", late, [(row, row.late_s) for row in rows])
    yield from _head("ehrc_heartbeat_age_seconds", "How long a process that must not fall silent was not heard.")
    now = database_now()
    beats = list(Heartbeat.objects.order_by("name"))
    for beat_row in beats:
        yield f'ehrc_heartbeat_age_seconds{{name="{beat_row.name}"}} {max((now - beat_row.at).total_seconds(), 0):.0f}'
    yield from _head("ehrc_clock_skew_seconds", "How far that process's clock is from the database's.")
    for beat_row in beats:
        yield f'ehrc_clock_skew_seconds{{name="{beat_row.name}"}} {beat_row.skew_s:.3f}'


def _gauge(name: str, words: str, values: Iterable[tuple[Waiting, float]]) -> Iterator[str]:
    yield from _head(name, words)
    for row, value in values:
        yield f'{name}{{queue="{row.queue}",kind="{row.kind}",state="{row.state}"}} {value:.0f}'


def _head(name: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} gauge"
