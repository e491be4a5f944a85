"""What partners tell the app by themselves: signed, at least once, and never more than a hint.

An event is a row of the transaction that caused it. Few threads send what is due, each event under a lease: rung for at
the commit, and by each beat of the clock. Five further tries follow the first (after 1, 2, 4, 8 and 16 s).
"""

import hashlib
import hmac
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ehrcommerce.sandbox.journal.recording import record
from ehrcommerce.sandbox.sending import Reply, send

from .models import CallbackEvent, Switchboard, event_id

PAUSES_S = (1, 2, 4, 8, 16)
LEASE_S = 15
SENDERS = 4

log = logging.getLogger(__name__)
_free = threading.BoundedSemaphore(SENDERS)
_senders = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix="callback")


def announce(*, partner: str, kind: str, object_id: str, reference: str, status: str, at: datetime) -> CallbackEvent:
    """Write down an event; it is sent once the transaction around has committed."""
    public_id = event_id()
    body = {
        "id": public_id,
        "type": kind,
        "partner": partner,
        "reference": reference,
        "object_id": object_id,
        "status": status,
        "at": at.isoformat(),
    }
    listening = partner in Switchboard.current().callback_urls()
    event = CallbackEvent.objects.create(
        public_id=public_id,
        partner=partner,
        type=kind,
        reference=reference,
        body=json.dumps(body),
        next_try_at=at if listening else None,
        outcome="" if listening else "no callback address",
        created_at=at,
    )
    transaction.on_commit(send_due)
    return event


def replay(event: CallbackEvent, *, at: datetime) -> None:
    """Send an event again as if it had never been sent: same id, same bytes."""
    event.tries = 0
    event.next_try_at = at
    event.save(update_fields=["tries", "next_try_at"])
    transaction.on_commit(send_due)


def send_due() -> None:
    """If something is due, set one more sender to work, without waiting for it."""
    if _due(at=timezone.now()).exists() and _free.acquire(blocking=False):
        _senders.submit(_send_while_due)


def _send_while_due() -> None:
    """The work of one sender thread, which has to close its own database connection."""
    try:
        while (pk := claim_next(at=timezone.now())) is not None:
            deliver(pk)
    except DatabaseError as fault:
        log.warning("A callback waits until its lease ends: %s", type(fault).__name__)
    finally:
        connection.close()
        _free.release()


def _due(*, at: datetime) -> QuerySet[CallbackEvent]:
    return CallbackEvent.objects.filter(next_try_at__lte=at).order_by("next_try_at", "id")


@transaction.atomic
def claim_next(*, at: datetime) -> int | None:
    """Take the event that is due longest; a process that dies with it loses it for the lease only."""
    event = _due(at=at).select_for_update(skip_locked=True).first()
    if event is None:
        return None
    event.next_try_at = at + timedelta(seconds=LEASE_S)
    event.save(update_fields=["next_try_at"])
    return event.pk


def deliver(pk: int) -> None:
    """Try one claimed event once, and write down how it went."""
    event = CallbackEvent.objects.filter(pk=pk).first()
    if event is None:
        return
    url = Switchboard.current().callback_urls().get(event.partner)
    if url is None:
        CallbackEvent.objects.filter(pk=pk).update(next_try_at=None, outcome="no callback address")
        return
    reply = _send(event, url)
    _settle(event, reply, at=timezone.now())


def signature(event: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over id, time and bytes: an event cannot be forged, altered, or replayed under another time."""
    signed = f"{event}.{timestamp}.".encode() + body
    return "v1=" + hmac.new(settings.CALLBACK_SECRET.encode(), signed, hashlib.sha256).hexdigest()


def _send(event: CallbackEvent, url: str) -> Reply:
    started = timezone.now()
    body = event.body.encode()
    timestamp = str(int(started.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sandbox-partner/1",
        "X-Event-Id": event.public_id,
        "X-Timestamp": timestamp,
        "X-Signature": signature(event.public_id, timestamp, body),
    }
    reply = send(url, body, headers)
    record(
        partner=f"{event.partner}-callback",
        method="POST",
        path=url,
        headers=headers,
        body=event.body,
        status=reply.status,
        answer=reply.body,
        started=started.timestamp(),
        ended=timezone.now().timestamp(),
    )
    return reply


def _settle(event: CallbackEvent, reply: Reply, *, at: datetime) -> None:
    tries = event.tries + 1
    next_try_at = None
    if not reply.taken and tries <= len(PAUSES_S):
        next_try_at = at + timedelta(seconds=PAUSES_S[tries - 1])
    CallbackEvent.objects.filter(pk=event.pk).update(
        tries=tries,
        next_try_at=next_try_at,
        outcome=str(reply.status) if reply.status else reply.body[:200],
        delivered_at=at if reply.taken else event.delivered_at,
    )
