"""What this site tells others by itself: one request at a time (no redirects, no proxies of the environment, five seconds),
by few threads that send what is due, each row under a lease."""

import http.client
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import Error as DatabaseError
from django.db import connection, models, transaction
from django.utils import timezone

ANSWER_WITHIN_S = 5.0
LARGEST_ANSWER = 4096
# How long is waited after each try that failed; after the last one it is left.
PAUSES_S = (1, 2, 4, 8, 16)
SENDERS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the receiver answered; status 0 when it did not."""

    status: int
    body: str

    @property
    def taken(self) -> bool:
        """Only a 2xx means that it was taken."""
        return 200 <= self.status < 300


def send(
    url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST", most: int = LARGEST_ANSWER
) -> Reply:
    """Send it once."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    line = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line.request(method, target, body, dict(headers))
        answer = line.getresponse()
        return Reply(status=answer.status, body=answer.read(most).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as fault:
        return Reply(status=0, body=type(fault).__name__)
    finally:
        line.close()


class Senders:
    """The threads that send the rows of one table, which have `next_try_at`: rung for at the commit, and by each beat of the
    clock. A process that dies with a row loses it for the lease only."""

    def __init__(
        self, name: str, rows: Callable[[], "models.QuerySet[Any]"], deliver: Callable[[int], None], *, lease_s: int
    ) -> None:
        self.name, self._rows, self._deliver, self._lease = name, rows, deliver, timedelta(seconds=lease_s)
        self._free = threading.BoundedSemaphore(SENDERS)
        self._pool = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix=name)

    def send_due(self) -> None:
        """If something is due, set one more sender to work, without waiting for it."""
        if self._due(at=timezone.now()).exists() and self._free.acquire(blocking=False):
            self._pool.submit(self._while_due)

    def _while_due(self) -> None:
        """The work of one sender thread, which has to close its own database connection."""
        try:
            while (pk := self.claim_next(at=timezone.now())) is not None:
                self._deliver(pk)
        except DatabaseError as fault:
            log.warning("A %s waits until its lease ends: %s", self.name, type(fault).__name__)
        finally:
            connection.close()
            self._free.release()

    def _due(self, *, at: datetime) -> "models.QuerySet[Any]":
        return self._rows().filter(next_try_at__lte=at).order_by("next_try_at", "id")

    @transaction.atomic
    def claim_next(self, *, at: datetime) -> int | None:
        """Take the row that is due longest."""
        row = self._due(at=at).select_for_update(skip_locked=True).first()
        if row is None:
            return None
        row.next_try_at = at + self._lease
        row.save(update_fields=["next_try_at"])
        return int(row.pk)


def next_try(tries: int, *, at: datetime) -> datetime | None:
    """When to try again after so many tries that failed; None: not any more."""
    return at + timedelta(seconds=PAUSES_S[tries - 1]) if tries <= len(PAUSES_S) else None
