"""record() is a required part of every act; seal() and verify() make and check the chain.

Rows go in unchained, because a chain written inside business transactions makes them wait for one another; the
sweeper seals them within seconds (docs/decisions/0002). What is sealed cannot be changed without breaking the chain,
and what is not yet sealed cannot be changed at all but by the owner of the database."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from ehrcommerce.audit.models import AuditEvent

GENESIS = bytes(32)
_CHAIN_LOCK = 0x45484143  # advisory lock class: "EHAC"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `kind` is user, patient, supplier, ehr or system; `id` is ours and opaque."""

    kind: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind


def system(name: str) -> Actor:
    """A process of ours, e.g. system("sweeper")."""
    return Actor("system", name)


def record(
    *,
    organization_id: int,
    by: Actor,
    action: str,
    entity: str,
    at: datetime,
    purpose: str = "",
    recipient: str = "",
    elements: Iterable[str] = (),
    outcome: str = "success",
    reason: str = "",
    customer_key: str = "",
) -> AuditEvent:
    """Write one event into the running transaction. If this fails, the act must fail: let the error pass.

    `entity` is `kind:opaque id`; `elements` are names of FHIR elements; `customer_key` is hashed here, with a key that
    outlives the order's own, so that "who saw this person's data" can be answered after the data is gone.
    """
    return AuditEvent.objects.create(
        organization_id=organization_id, at=at, actor=str(by), action=action, entity=entity, purpose=purpose,
        recipient=recipient, elements=",".join(sorted(elements)), outcome=outcome, reason=reason,
        patient_ref=patient_ref(customer_key) if customer_key else None,
    )  # fmt: skip


def patient_ref(customer_key: str) -> bytes:
    """The audit's own name for a person."""
    return hmac.new(settings.AUDIT_KEY, b"patient\x00" + customer_key.encode(), hashlib.sha256).digest()


def canonical(event: AuditEvent) -> bytes:
    """The bytes of a row that the chain covers: every column but the seal itself, each with its length."""
    parts = [
        event.pk, event.organization_id, event.at.isoformat(), event.actor, event.action, event.entity, event.purpose,
        event.recipient, event.elements, event.outcome, event.reason,
        bytes(event.patient_ref).hex() if event.patient_ref else "",
    ]  # fmt: skip
    return b"".join(f"{len(text)}:{text};".encode() for text in map(str, parts))


def link(previous: bytes, number: int, event: AuditEvent) -> bytes:
    """The seal of one row: keyed, so that rewriting the chain needs more than write access to the table."""
    return hmac.new(
        settings.AUDIT_KEY, previous + number.to_bytes(8, "big") + canonical(event), hashlib.sha256
    ).digest()


def seal(*, organization_id: int, limit: int = 1000) -> int:
    """Chain up to `limit` rows of one organization; call inside its walls. Returns how many. One sealer at a time."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_CHAIN_LOCK, organization_id % 2**31])
            if not cursor.fetchone()[0]:
                return 0
        number, previous = head(organization_id)
        waiting = list(
            AuditEvent.objects.filter(organization_id=organization_id, seal_number=None).order_by("id")[:limit]
        )
        for event in waiting:
            number += 1
            previous = link(previous, number, event)
            AuditEvent.objects.filter(pk=event.pk).update(seal_number=number, seal=previous)
    return len(waiting)


def head(organization_id: int) -> tuple[int, bytes]:
    """Number and seal of the newest chained row."""
    last = (
        AuditEvent.objects.filter(organization_id=organization_id)
        .exclude(seal_number=None)
        .order_by("-seal_number")
        .first()
    )
    return (last.seal_number or 0, bytes(last.seal or b"")) if last else (0, GENESIS)


@dataclass(frozen=True, slots=True)
class Walk:
    """A stretch of the chain: how many rows it has, where it ended, and each break by its place."""

    rows: int
    number: int
    seal: bytes
    breaks: tuple[str, ...]


def breaks(*, organization_id: int) -> tuple[str, ...]:
    """Walk the chain from its start and name each break: a number that is missing, a row that was changed."""
    return walk(organization_id=organization_id).breaks


def walk(*, organization_id: int, number: int = 0, previous: bytes = GENESIS, limit: int | None = None) -> Walk:
    """The rows after `number`, whose seal is `previous`; all of them, or `limit`."""
    sealed = AuditEvent.objects.filter(organization_id=organization_id, seal_number__gt=number).order_by("seal_number")
    rows, found = 0, list[str]()
    for event in sealed[:limit].iterator(chunk_size=2000):
        rows, number = rows + 1, number + 1
        if event.seal_number != number:
            found.append(f"number {number} is missing before row {event.pk}")
            number = event.seal_number or number
        if bytes(event.seal or b"") != link(previous, number, event):
            found.append(f"row {event.pk} is not what was sealed as number {number}")
        previous = bytes(event.seal or b"")
    return Walk(rows, number, previous, tuple(found))
