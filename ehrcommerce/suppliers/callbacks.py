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
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ehrcommerce.suppliers.models import CallbackSeen, Supplier
from ehrcommerce.vault import walls

WINDOW_S = 300
KEPT = timedelta(days=30)
MAX_BYTES = 65_536


class CallbackRefused(Exception):
    """The callback was not taken. Nothing was changed. Check the secret of this supplier's row and its clock."""

    status = 401


class CallbackTooLarge(CallbackRefused):
    """The callback is longer than any hint needs to be. Nothing was read."""

    status = 413


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
            callback = verify(raw_body(request), request.headers, supplier, at)
        except CallbackRefused as refusal:
            return HttpResponse(status=refusal.status)
        with transaction.atomic():
            if first_time(callback, supplier=supplier, at=at):
                take(supplier, callback, at)
    return HttpResponse(status=200)


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
    """The sweeper's chore: event ids older than any replay that the window would let through."""
    removed, _ = CallbackSeen.objects.filter(organization_id=organization_id, at__lt=at - KEPT).delete()
    return removed
