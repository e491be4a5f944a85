"""The needs-human queue: what only a person can settle, who looks after it, and how a person ends it.

Nothing here speaks with a partner. What happened is said by a person who asked (by phone, in the partner's own pages),
moves the same rows as the partner's answer would have, and is in the audit under that person's name (REL-P31, REL-P32)."""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from ehrcommerce.audit import services as audit
from ehrcommerce.outbox.handlers import UnknownKind, handler_of
from ehrcommerce.outbox.models import OPEN, Effect, Note, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Refused
from ehrcommerce.outbox.services import _end

# Why a person closes it. The words of the page; no free text, which could name a patient.
REASONS = {
    "asked_partner": "I asked the partner",
    "partner_gone": "The partner does not work with us any more",
    "done_elsewhere": "It was done in another way",
    "not_needed": "It is not needed any more",
    "test": "It was a test",
}


class NotInQueue(Exception):
    """This does not wait for a person any more: it has ended, or is being tried just now. Reload the page."""


class NotByHand(Exception):
    """Only the partner knows what exactly happened (a sum, a parcel), so nobody can type it in. Press Retry: the partner
    is asked first. If it cannot be asked, cancel or refund the order on its own page."""


class ReferenceMissing(Exception):
    """Whoever says that it happened must give the partner's number for it. Ask the partner for it."""


def assign(effect: Effect, *, to: str, by: audit.Actor, at: datetime) -> None:
    """`to` is an actor ("user:..."), "" for nobody. Says who looks after it; changes nothing else."""
    with transaction.atomic():
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.owner == to:
            return
        locked.owner = to
        locked.save(update_fields=["owner"])
        _note(locked, "assigned" if to else "unassigned", by=by, at=at)
        audit.record(
            organization_id=locked.organization_id, by=by, action="effect.assigned",
            entity=f"effect:{locked.public_id}", at=at, recipient=to,
        )  # fmt: skip


def close(
    effect: Effect, *, happened: bool, reason: str, reference: str = "", by: audit.Actor, at: datetime
) -> Done | Refused | NeedsHuman:
    """A person says how it ended. Twice is once: the second gets NotInQueue.

    Raises NotInQueue, NotByHand, ReferenceMissing; KeyError for a reason that is not one of REASONS.
    """
    REASONS[reason]
    if happened and not reference.strip():
        raise ReferenceMissing
    with transaction.atomic():
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.state != State.NEEDS_HUMAN:
            raise NotInQueue
        outcome = _said(locked, happened=happened, reference=reference.strip())
        locked.fence += 1  # a late worker's result is refused
        locked.changed_at = at
        _end(locked, outcome, by=by, at=at)
        locked.save()
        _note(locked, f"closed:{reason}", by=by, at=at)
        return outcome


def _said(effect: Effect, *, happened: bool, reference: str) -> Done | Refused:
    try:
        outcome = handler_of(effect.kind).by_hand(effect, happened=happened, reference=reference)
    except UnknownKind:
        outcome = None
    if not isinstance(outcome, Done | Refused):
        raise NotByHand
    return outcome


def ask_before_sending(*, by: audit.Actor, organization_id: int, at: datetime) -> int:
    """After the database was restored from a copy: everything that is open may have happened in the hours that were
    lost. Each is asked about before it is sent; what cannot be asked goes to a person. Returns how many."""
    with transaction.atomic():
        rows = Effect.objects.filter(organization_id=organization_id, state__in=OPEN, ask_first=False)
        # What had begun to be sent is asked about anyway, once its lease is over.
        moved = rows.update(ask_first=True, next_run_at=Now())
        audit.record(
            organization_id=organization_id, by=by, action="outbox.restored", entity=f"organization:{organization_id}",
            at=at, reason=f"asked_first:{moved}",
        )  # fmt: skip
    return moved


def _note(effect: Effect, code: str, *, by: audit.Actor, at: datetime) -> None:
    Note.objects.create(
        organization_id=effect.organization_id, effect=effect, at=at, state=effect.state, code=code, actor=str(by)
    )
