"""The intent of an effect: a row in the transaction of the act that wants it, and a bell after its commit. The same act
planned twice is one row."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from ehrcommerce.outbox import doorbell
from ehrcommerce.outbox.handlers import handler_of
from ehrcommerce.outbox.models import OPEN, Effect, State

# The effect whose rows this thread is moving: it is over, though its row does not say so yet.
ending: ContextVar[int | None] = ContextVar("ending", default=None)


def plan(
    *, kind: str, subject: str, organization_id: int, at: datetime, run_at: datetime | None = None,
    deadline_at: datetime | None = None, generation: int = 1, recipient: str = "", ring: bool = True,
) -> Effect:  # fmt: skip
    """Write the intent into the running transaction; after it commits, ring. The same act planned twice is one row."""
    try:
        with transaction.atomic():
            effect = Effect.objects.create(
                kind=kind, subject=subject, organization_id=organization_id, generation=generation,
                queue=handler_of(kind).queue, next_run_at=run_at or Now(), deadline_at=deadline_at, recipient=recipient,
                created_at=at, changed_at=at,
            )  # fmt: skip
    except IntegrityError:
        return Effect.objects.get(kind=kind, subject=subject, organization_id=organization_id, generation=generation)
    if ring and (run_at is None or run_at <= at):
        transaction.on_commit(partial(doorbell.ring, str(effect.public_id), effect.queue))
    return effect


def plan_next(
    *, kind: str, subject: str, organization_id: int, at: datetime, run_at: datetime | None = None,
    deadline_at: datetime | None = None, recipient: str = "", ring: bool = True, even_if_running: bool = False,
) -> Effect:  # fmt: skip
    """The same act once more: joins the one that waits or is not settled, else begins the next generation.

    even_if_running: for looks. One that is under way may have read before the hint that calls for another.
    """
    last = (
        Effect.objects.filter(organization_id=organization_id, kind=kind, subject=subject)
        .order_by("-generation")
        .first()
    )
    if last is not None and last.pk != ending.get():
        if last.state == State.PLANNED and _bring_forward(last, run_at or at, ring=ring):
            return last
        if last.state in (*OPEN, State.NEEDS_HUMAN) and not even_if_running:
            return last
    generation = last_generation(organization_id, kind, subject) + 1
    return plan(
        kind=kind, subject=subject, organization_id=organization_id, at=at, run_at=run_at, deadline_at=deadline_at,
        generation=generation, recipient=recipient, ring=ring,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Newest:
    """Where the newest act of its kind stands: `waits`: due by then, and nobody has begun it, so that it will see what is
    committed by now; `under_way`: somebody has begun it."""

    waits: bool = False
    under_way: bool = False


def newest(*, kind: str, subject: str, organization_id: int, due_by: datetime, at: datetime) -> Newest:
    """One read, no lock."""
    rows = Effect.objects.filter(organization_id=organization_id, kind=kind, subject=subject).order_by("-generation")
    found = rows.values_list("state", "lease_until", "next_run_at").first()
    if found is None or found[0] not in OPEN:
        return Newest()
    state, lease_until, next_run_at = found
    if state == State.PLANNED and (lease_until is None or lease_until <= at):
        return Newest(waits=next_run_at is not None and next_run_at <= due_by)
    return Newest(under_way=True)


def last_generation(organization_id: int, kind: str, subject: str) -> int:
    rows = Effect.objects.filter(organization_id=organization_id, kind=kind, subject=subject)
    return rows.aggregate(last=Max("generation"))["last"] or 0


def _bring_forward(effect: Effect, run_at: datetime, *, ring: bool) -> bool:
    """True if this effect waits and now runs no later than `run_at`; False if somebody has it in hand.

    A row that is locked is being run. Waiting for it could deadlock with its settling, so it is not waited for.
    """
    with transaction.atomic():
        row = Effect.objects.select_for_update(skip_locked=True).filter(pk=effect.pk, state=State.PLANNED).first()
        if row is None or (row.lease_until and row.lease_until > timezone.now()):
            return False
        if row.next_run_at and row.next_run_at > run_at:
            Effect.objects.filter(pk=row.pk).update(next_run_at=run_at)
        if ring and run_at <= timezone.now():
            transaction.on_commit(partial(doorbell.ring, str(row.public_id), row.queue))
        return True
