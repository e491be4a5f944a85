"""record() is a required part of every act; seal() and verify() make and check the chain.

Rows go in unchained, because a chain written inside business transactions makes them wait for one another; the
sweeper seals them within seconds (docs/decisions/0002). What is sealed cannot be changed without breaking the chain,
and what is not yet sealed cannot be changed at all but by the owner of the database."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from ehrcommerce.audit.models import AuditEvent, AuditGap

GENESIS = bytes(32)
# What the chain covers, in this order for ever.
COVERED = (
    "pk", "organization_id", "at", "actor", "action", "entity", "purpose", "recipient", "elements", "outcome", "reason",
    "patient_ref", "cause",
)  # fmt: skip
Covered = Sequence[Any]
_cause: ContextVar[str] = ContextVar("cause", default="")
_CHAIN_LOCK = 0x45484143  # advisory lock class: "EHAC"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `kind` is user, patient, helper, supplier, ehr or system; `id` is ours and opaque."""

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
    patient: bytes = b"",
) -> AuditEvent:
    """Write one event into the running transaction. If this fails, the act must fail: let the error pass.

    `entity` is `kind:opaque id`; `elements` are names of FHIR elements; `customer_key` is hashed here, with a key that
    outlives the order's own, so that "who saw this person's data" can be answered after the data is gone; `patient` is
    that hash where only it is known.
    """
    return AuditEvent.objects.create(
        organization_id=organization_id, at=at, actor=str(by), action=action, entity=entity, purpose=purpose,
        recipient=recipient, elements=",".join(sorted(elements)), outcome=outcome, reason=reason,
        patient_ref=patient_ref(customer_key) if customer_key else patient or None, cause=_cause.get(),
    )  # fmt: skip


@contextmanager
def caused_by(cause: str) -> Iterator[None]:
    """What is recorded inside says that it happened within this effect."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


def patient_ref(customer_key: str) -> bytes:
    """The audit's own name for a person."""
    return hmac.new(settings.AUDIT_KEY, b"patient\x00" + customer_key.encode(), hashlib.sha256).digest()


def canonical(row: Covered) -> bytes:
    """The bytes of a row that the chain covers: every column but the seal itself, each with its length."""
    pk, organization_id, at, *texts, person, cause = row
    parts = [pk, organization_id, at.isoformat(), *texts, bytes(person).hex() if person else ""]
    parts += [cause] if cause else []  # a later column: rows without it are sealed as they always were
    return b"".join(f"{len(text)}:{text};".encode() for text in map(str, parts))


def link(previous: bytes, number: int, row: Covered) -> bytes:
    """The seal of one row: keyed, so that rewriting the chain needs more than write access to the table."""
    return hmac.digest(settings.AUDIT_KEY, previous + number.to_bytes(8, "big") + canonical(row), "sha256")


def seal(*, organization_id: int, limit: int = 1000) -> int:
    """Chain up to `limit` rows of one organization; call inside its walls. Returns how many. One sealer at a time.

    The app's role may not change a row: the owner's function sets seals, on rows that have none, after the last one.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_CHAIN_LOCK, organization_id % 2**31])
            if not cursor.fetchone()[0]:
                return 0
        waiting = AuditEvent.objects.filter(organization_id=organization_id, seal_number=None).order_by("id")
        rows = list(waiting.values_list(*COVERED)[:limit])
        if not rows:
            return 0
        number, previous = head(organization_id)
        seals = list[bytes]()
        for row in rows:
            previous = link(previous, number + len(seals) + 1, row)
            seals.append(previous)
        with connection.cursor() as cursor:
            # The time says in which month's part the row stands.
            ids, times = [row[0] for row in rows], [row[2] for row in rows]
            cursor.execute("SELECT ehrc_audit_seal(%s, %s, %s, %s)", [ids, times, number + 1, seals])
    return len(rows)


def head(organization_id: int) -> tuple[int, bytes]:
    """Number and seal of the newest chained row, be it one whose month is gone."""
    rows = AuditEvent.objects.filter(organization_id=organization_id, seal_number__gt=0)
    last = rows.order_by("-seal_number").values_list("seal_number", "seal").first()
    gone = (
        AuditGap.objects.filter(organization_id=organization_id).order_by("-last").values_list("last", "seal").first()
    )
    number, seal = max(last or (0, GENESIS), gone or (0, GENESIS), key=lambda one: one[0] or 0)
    return number or 0, bytes(seal or b"")


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
    """The rows after `number`, whose seal is `previous`; all of them, or `limit`. Numbers of months that were dropped are
    passed over: the row after them has a seal that follows from the one they left."""
    gaps = AuditGap.objects.filter(organization_id=organization_id, last__gt=number)
    gone = {first: (last, bytes(kept)) for first, last, kept in gaps.values_list("first", "last", "seal")}
    for first, (last, kept) in gone.items():
        if first <= number < last:  # a month went since the stretch before was walked
            number, previous = last, kept
    sealed = AuditEvent.objects.filter(organization_id=organization_id, seal_number__gt=number).order_by("seal_number")
    rows, found = 0, list[str]()
    # Tuples in a stream: a chain of millions is walked in the memory of one page.
    for stands_at, there, *row in sealed.values_list("seal_number", "seal", *COVERED)[:limit].iterator(chunk_size=5000):
        while number + 1 < stands_at and number + 1 in gone:
            number, previous = gone[number + 1]
        rows, number = rows + 1, number + 1
        if stands_at != number:
            found.append(f"number {number} is missing before row {row[0]}")
            number = stands_at
        if bytes(there or b"") != link(previous, number, row):
            found.append(f"row {row[0]} is not what was sealed as number {number}")
        previous = bytes(there or b"")
    while number + 1 in gone:
        number, previous = gone[number + 1]
    return Walk(rows, number, previous, tuple(found))
