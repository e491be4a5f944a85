"""What partners tell us by themselves. A callback is a hint: its signature, age and freshness are checked, our own
reference is read from it, and the partner is asked. Duplicates, disorder, loss and forgery change nothing.

Signature v1: HMAC-SHA256 over `event id "." timestamp "." raw body`, as hex. While a secret is being changed both are
good."""

import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Func, IntegerField
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.suppliers import chosen, client_certificates
from ehrcommerce.suppliers.errors import CallbackRefused, CallbackTooLarge
from ehrcommerce.suppliers.models import CallbackSeen, FileAck, FileIn, MessageNews, Supplier
from ehrcommerce.vault import walls
from ehrcommerce.wire import deadline
from ehrcommerce.wire.errors import NotSent, Unanswered

__all__ = ["Callback", "CallbackRefused", "CallbackTooLarge", "receive", "signature", "verify"]

WINDOW_S = 300
KEPT = timedelta(days=30)
# Longer than any order lives: a file that a partner leaves lying must still be known.
FILES_KEPT = timedelta(days=730)
PARCELS_KEPT = timedelta(days=90)
MAX_BYTES = 65_536
COMPLETES_S = 3.0


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback whose signature holds."""

    event_id: str
    body: Mapping[str, Any]


Take = Callable[[Supplier, Callback, datetime], None]


def receive(request: HttpRequest, supplier_id: UUID, *, ports: Collection[str], take: Take) -> HttpResponse:
    """Answer a callback: 200 once it is written down (or was before), 401 for whatever is not surely the partner's.

    `take` runs in one transaction with the event's id, and only writes: whoever calls us is not made to wait.
    """
    at = timezone.now()
    organization_id = organization_of(supplier_id)
    if organization_id is None:
        return HttpResponse(status=CallbackRefused.status)
    with walls.organization(organization_id):
        supplier = Supplier.objects.get(public_id=supplier_id)
        try:
            if supplier.port not in ports or not supplier.active:
                raise CallbackRefused
            client_certificates.require(request, supplier, at)
            callback = _verified(request, supplier, at)
        except CallbackRefused as refusal:
            return HttpResponse(status=refusal.status)
        except (NotSent, Unanswered):
            return HttpResponse(status=503, headers={"Retry-After": "30"})
        with transaction.atomic():
            if first_time(callback, supplier=supplier, at=at):
                take(supplier, callback, at)
    return HttpResponse(status=200)


def _verified(request: HttpRequest, supplier: Supplier, at: datetime) -> Callback:
    """By the adapter's own rules where its partner signs in another way; and completed by it where a partner does not
    name our reference. That may ask the partner, shortly, while no transaction is open."""
    body = raw_body(request)
    adapter = chosen.adapter_of(supplier)
    own = getattr(adapter, "verify_callback", None)
    callback: Callback = own(body, request.headers, at) if own else verify(body, request.headers, supplier, at)
    if (complete := getattr(adapter, "complete_callback", None)) is None:
        return callback
    try:
        chosen.agreed(supplier)  # to complete it the partner is asked: not without a live agreement
    except NoAgreement as problem:
        raise CallbackRefused from problem
    with deadline.within(COMPLETES_S):
        completed: Callback = complete(callback)
    return completed


def uuid_of(text: str) -> UUID | None:
    """Our references are UUIDs; whatever else a callback names is nobody's."""
    try:
        return UUID(text)
    except ValueError:
        return None


def organization_of(supplier_id: UUID) -> int | None:
    """Whose supplier this is: the one question asked before anybody's walls are entered."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_supplier_organization(%s)", [supplier_id])
        found = cursor.fetchone()
    return found[0] if found else None


def raw_body(request: HttpRequest) -> bytes:
    """The bytes as they came; CallbackTooLarge before anything is read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not str(length).isdigit() or int(length) > MAX_BYTES:
        raise CallbackTooLarge
    return request.body


def verify(body: bytes, headers: Mapping[str, str], supplier: Supplier, at: datetime) -> Callback:
    """Raises CallbackRefused unless one of the supplier's secrets signed exactly this, at most five minutes ago."""
    event_id, timestamp = headers.get("X-Event-Id", ""), headers.get("X-Timestamp", "")
    if not (1 <= len(event_id) <= 128 and event_id.isprintable()):
        raise CallbackRefused
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise CallbackRefused
    if abs(int(at.timestamp()) - int(timestamp)) > WINDOW_S:
        raise CallbackRefused
    given = headers.get("X-Signature", "").encode("utf-8", "replace")
    signed = [
        hmac.compare_digest(signature(secret, event_id, timestamp, body).encode(), given)
        for secret in (supplier.callback_secret, supplier.previous_callback_secret)
        if secret
    ]
    if not any(signed):
        raise CallbackRefused
    return Callback(event_id, _object(body))


def signature(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def first_time(callback: Callback, *, supplier: Supplier, at: datetime) -> bool:
    """True once for each event id. In the transaction of what follows from it: a callback is taken whole or not at
    all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO suppliers_callbackseen (organization_id, supplier_id, event_id, at) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (supplier_id, event_id) DO NOTHING",
            [supplier.organization_id, supplier.pk, callback.event_id, at],
        )
        return bool(cursor.rowcount == 1)


def forget(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: event ids older than any replay that the window would let through, and what messengers and
    files told long ago."""
    old = {"organization_id": organization_id, "at__lt": at - KEPT}
    removed = sum(model.objects.filter(**old).delete()[0] for model in (CallbackSeen, MessageNews))
    past = {"organization_id": organization_id, "at__lt": at - FILES_KEPT}
    removed += _forget_parcels(organization_id, at)
    return removed + sum(model.objects.filter(**past).delete()[0] for model in (FileIn, FileAck))


def _forget_parcels(organization_id: int, at: datetime) -> int:
    """Numbers of parcels that arrived long ago; the order's own row keeps its number by the table's rule."""
    old = FileAck.objects.filter(organization_id=organization_id, at__lt=at - PARCELS_KEPT)
    size = Func(F("tracking_number"), function="octet_length", output_field=IntegerField())
    named = list(old.annotate(held=size).filter(held__gt=0).order_by("pk")[:500])
    for ack in named:
        ack.tracking_number = ""
        ack.save(update_fields=["tracking_number"])
    return len(named)
