"""What partners tell the app by themselves: signed, at least once, and never more than a hint.

An event is a row of the transaction that caused it. Five further tries follow the first (after 1, 2, 4, 8 and 16 s).
"""

import hashlib
import hmac
import json
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ehrcommerce.sandbox.journal.recording import record
from ehrcommerce.sandbox.sending import Reply, Senders, next_try, send

from .models import CallbackEvent, Switchboard, event_id

LEASE_S = 15


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
    CallbackEvent.objects.filter(pk=event.pk).update(
        tries=tries,
        next_try_at=None if reply.taken else next_try(tries, at=at),
        outcome=str(reply.status) if reply.status else reply.body[:200],
        delivered_at=at if reply.taken else event.delivered_at,
    )


_senders = Senders("callback", CallbackEvent.objects.all, deliver, lease_s=LEASE_S)
send_due = _senders.send_due
