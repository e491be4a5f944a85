"""Sends what is due: few threads, each message under a lease, rung for at the commit and by each beat of the clock. Six
tries; then the subscriber is in error and is told nothing more until it asks again."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ehrcommerce.sandbox.ehr import notices, profiles, subscribing, surroundings
from ehrcommerce.sandbox.ehr.models import Message, Subscriber
from ehrcommerce.sandbox.journal.recording import record
from ehrcommerce.sandbox.sending import Reply, Senders, next_try, send

LEASE_S = 30


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
    message.next_try_at = None if reply.taken else next_try(message.tries, at=at)
    if reply.taken:
        message.delivered_at = at
    message.save(update_fields=["tries", "outcome", "next_try_at", "delivered_at"])
    if reply.taken and message.kind == subscribing.HANDSHAKE and subscriber.state == "requested":
        subscribing.set_state(subscriber, "active", at=at)
    if not reply.taken and message.next_try_at is None and subscriber.state in ("requested", "active"):
        subscribing.set_state(subscriber, "error", at=at)
        subscriber.messages.exclude(next_try_at=None).update(next_try_at=None, outcome="in error")


_senders = Senders("notification", Message.objects.all, deliver, lease_s=LEASE_S)
send_due = _senders.send_due
