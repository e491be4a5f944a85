"""Sends what is due: few threads, each message under a lease, rung for at the commit and by each beat of the clock. Six
tries; then the subscriber is in error and is told nothing more until it asks again."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ehrcommerce.sandbox.ehr import notices, profiles, subscribing, surroundings
from ehrcommerce.sandbox.ehr.models import Message, Subscriber
from ehrcommerce.sandbox.journal.recording import record
from ehrcommerce.sandbox.sending import Reply, send

PAUSES_S = (1, 2, 4, 8, 16)
LEASE_S = 30
SENDERS = 4

log = logging.getLogger(__name__)
_free = threading.BoundedSemaphore(SENDERS)
_senders = ThreadPoolExecutor(max_workers=SENDERS, thread_name_prefix="messenger")


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
        log.warning("A notification waits until its lease ends: %s", type(fault).__name__)
    finally:
        connection.close()
        _free.release()


def _due(*, at: datetime) -> QuerySet[Message]:
    return Message.objects.filter(next_try_at__lte=at).order_by("next_try_at", "id")


@transaction.atomic
def claim_next(*, at: datetime) -> int | None:
    """Take the message that is due longest."""
    message = _due(at=at).select_for_update(skip_locked=True).first()
    if message is None:
        return None
    message.next_try_at = at + timedelta(seconds=LEASE_S)
    message.save(update_fields=["next_try_at"])
    return message.pk


def deliver(pk: int) -> None:
    """Send one claimed message, as often as its knob says, and write down how it went."""
    message = Message.objects.select_related("subscriber").filter(pk=pk).first()
    if message is None:
        return
    subscriber = message.subscriber
    wanted = ("requested",) if message.kind == subscribing.HANDSHAKE else ("active",)
    try:
        around = surroundings.of_profile(subscriber.profile)
    except profiles.NoProfile:
        around = None
    if around is None or subscriber.state not in wanted:
        Message.objects.filter(pk=pk).update(next_try_at=None, outcome="not wanted")
        return
    for _ in range(max(1, message.copies)):
        reply = _send(message, around)
    _settle(message, reply, at=timezone.now())


def _send(message: Message, around: surroundings.Surroundings) -> Reply:
    started = timezone.now()
    notice = notices.of(message, around, at=started)
    headers = {"User-Agent": "sandbox-ehr/1", **notice.headers}
    reply = send(notice.url, notice.body, headers, method=notice.method)
    record(
        partner="ehr-events",
        method=notice.method,
        path=notice.url,
        headers={name: value for name, value in headers.items() if name in ("Content-Type", "X-Event-Id")},
        body=notice.body,
        status=reply.status,
        answer=reply.body,
        started=started.timestamp(),
        ended=timezone.now().timestamp(),
    )
    return reply


@transaction.atomic
def _settle(message: Message, reply: Reply, *, at: datetime) -> None:
    subscriber = Subscriber.objects.select_for_update().get(pk=message.subscriber_id)
    message.tries += 1
    message.outcome = str(reply.status) if reply.status else reply.body[:200]
    message.next_try_at = None
    if reply.taken:
        message.delivered_at = at
    elif message.tries <= len(PAUSES_S):
        message.next_try_at = at + timedelta(seconds=PAUSES_S[message.tries - 1])
    message.save(update_fields=["tries", "outcome", "next_try_at", "delivered_at"])
    if reply.taken and message.kind == subscribing.HANDSHAKE and subscriber.state == "requested":
        subscribing.set_state(subscriber, "active", at=at)
    if not reply.taken and message.next_try_at is None and subscriber.state in ("requested", "active"):
        subscribing.set_state(subscriber, "error", at=at)
        subscriber.messages.exclude(next_try_at=None).update(next_try_at=None, outcome="in error")
