"""plan() writes the intent; run() carries it out; retry() is the operator's button.

The order of commits is the promise (docs/decisions/0001): claim with a new fence -> [reads] -> `sending` with the hash
of the exact bytes -> the call -> the result, only if the fence is still ours. No transaction is open during a call."""

import hashlib
import logging
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.outbox import doorbell, planning, turns
from ehrcommerce.outbox.handlers import NATIVE_KEY, NONE, Handler, UnknownKind, handler_of, settled
from ehrcommerce.outbox.models import OPEN, POISON_AFTER, Effect, Note, State
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.outbox.planning import newest, plan, plan_next
from ehrcommerce.outbox.turns import Turn
from ehrcommerce.vault import walls
from ehrcommerce.vault.keys import VaultError
from ehrcommerce.wire import deadline
from ehrcommerce.wire.errors import CircuitOpen, NotSent, Unanswered

__all__ = ["NotRetryable", "a_page_waits", "claim", "newest", "plan", "plan_next", "retry", "run", "run_inline"]

Found = TypeVar("Found")
log = logging.getLogger(__name__)
BACKOFF_BASE_S, BACKOFF_CAP_S = 1.0, 900.0
# A person in front of a page is told "we are checking" after this, whatever the partner does.
PAGE_WAITS_S = 4.0
FINAL_STATE = {Done: State.DONE, Refused: State.REJECTED, NeedsHuman: State.NEEDS_HUMAN}


@dataclass(frozen=True, slots=True)
class Claim:
    """This worker's right to one run, until the lease ends."""

    pk: int
    organization_id: int
    kind: str
    was: str
    attempt: int
    fence: int


def claim(effect_id: str) -> Claim | None:
    """Take one effect that is due and in nobody's hands; None if there is no such thing."""
    return _after_a_rest(_claimed, effect_id)


def turn(effect_id: str) -> Turn | None:
    """Whose turn it is when this bell is heard (turns.py)."""
    return _after_a_rest(turns.turn, effect_id)


def _after_a_rest(question: Callable[[str], Found], effect_id: str) -> Found:
    """A thread that rested while the database was restarted holds a dead connection, and nobody checks it between tasks:
    the bell must not be lost on that."""
    try:
        return question(effect_id)
    except OperationalError:
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return question(effect_id)


def _claimed(effect_id: str) -> Claim | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ehrc_claim_effect(%s, %s)", [effect_id, settings.EFFECT_LEASE_S])
        row = cursor.fetchone()
    return Claim(*row) if row else None


def run(effect_id: str) -> str:
    """Carry out one effect if it is due. Returns its state afterwards, "" where there was nothing to do."""
    held = claim(effect_id)
    if held is None:
        return ""
    with walls.organization(held.organization_id), audit.caused_by(f"effect:{effect_id}"):
        effect = Effect.objects.get(pk=held.pk)
        try:
            return _settle(effect, held, _outcome(effect, held))
        except Exception as fault:
            # The boundary of a program fault: its name is kept for the operator, the fault itself goes on to the log.
            _crashed(effect, held, type(fault).__name__)
            raise


def _outcome(effect: Effect, held: Claim) -> Outcome:
    try:
        return _attempt(handler_of(held.kind), effect, held)
    except UnknownKind:
        return NeedsHuman("unknown_kind")
    except VaultError as problem:
        # This row is held until its key is back; the vault has rung, and no other effect waits for it.
        return NeedsHuman(type(problem).__name__)
    except Halt as halt:  # a rule that holds wherever it is met, such as the agreement with a partner
        return halt.outcome


def _attempt(handler: Handler, effect: Effect, held: Claim) -> Outcome:
    if held.attempt > POISON_AFTER:
        return NeedsHuman("poison")
    late = effect.deadline_at is not None and timezone.now() > effect.deadline_at
    if held.was == State.UNKNOWN:
        return _resolve_late(handler, effect) if late else _resolve(handler, effect, held)
    if effect.ask_first and (known := _asked_after_restore(handler, effect)) is not None:
        return known
    if late:
        return handler.overdue(effect)
    try:
        body = handler.prepare(effect)
        _begin_sending(handler, effect, held, body)
    except Halt as halt:
        return halt.outcome
    except (NotSent, Unanswered) as problem:
        return TryAgain(type(problem).__name__)
    return _send(handler, effect, body)


def _send(handler: Handler, effect: Effect, body: bytes) -> Outcome:
    try:
        return handler.send(effect, body)
    except Halt as halt:
        return halt.outcome
    except CircuitOpen as problem:
        # Waits for the next probe and a little more, so that a backlog does not come back all at once.
        return TryAgain(type(problem).__name__, after_s=problem.wait_s + random.uniform(0.5, 5.0))
    except NotSent as problem:
        return TryAgain(type(problem).__name__)
    except Unanswered as problem:
        return OutcomeUnknown(type(problem).__name__)


def _resolve(handler: Handler, effect: Effect, held: Claim) -> Outcome:
    """What became of an act whose answer was lost: never a blind second send."""
    capability = handler.capability(effect)
    if capability == NONE:
        return NeedsHuman("outcome_unknown")
    if capability == NATIVE_KEY and not settled(effect):
        return OutcomeUnknown("on_its_way")
    try:
        if capability == NATIVE_KEY and (body := _same_bytes(handler, effect)) is not None:
            _begin_sending(handler, effect, held, body)
            outcome = _send(handler, effect, body)
            # That this send did not arrive says nothing of the one before.
            return OutcomeUnknown(outcome.code) if isinstance(outcome, TryAgain) else outcome
    except (NotSent, Unanswered) as problem:
        return OutcomeUnknown(type(problem).__name__)
    except Halt as halt:
        if isinstance(halt.outcome, NeedsHuman):
            return halt.outcome
        # Not to be sent again. It may have happened all the same: that can still be asked.
    return _asked(handler, effect)


def _resolve_late(handler: Handler, effect: Effect) -> Outcome:
    """Past the deadline nothing is sent any more: asked once, then given up as in doubt."""
    outcome = _asked(handler, effect)
    return handler.unresolved(effect) if isinstance(outcome, TryAgain | OutcomeUnknown) else outcome


def _asked_after_restore(handler: Handler, effect: Effect) -> Outcome | None:
    """The database is older than the world: what it calls planned may have gone out in the hours that it lost. None:
    the partner surely knows nothing of it, so it is sent as any other (REL-P34)."""
    if handler.capability(effect) == NONE:
        return NeedsHuman("restored_unknown")
    outcome = _asked(handler, effect)
    if isinstance(outcome, OutcomeUnknown):
        return TryAgain(outcome.code)
    if isinstance(outcome, TryAgain):
        Effect.objects.filter(pk=effect.pk).update(ask_first=False)
        return None
    return outcome


def _asked(handler: Handler, effect: Effect) -> Outcome:
    try:
        return handler.ask(effect)
    except (NotSent, Unanswered) as problem:
        return OutcomeUnknown(type(problem).__name__)
    except Halt as halt:
        # A handler that cannot even ask knows no more than before.
        return halt.outcome if isinstance(halt.outcome, NeedsHuman) else OutcomeUnknown(halt.outcome.code)


def _same_bytes(handler: Handler, effect: Effect) -> bytes | None:
    """What went out, kept or made again; None where it cannot be had: other bytes never travel under an old key."""
    body = bytes(effect.body) or handler.prepare(effect)
    return body if hashlib.sha256(body).digest() == bytes(effect.request_sha256 or b"") else None


def _begin_sending(handler: Handler, effect: Effect, held: Claim, body: bytes) -> None:
    with transaction.atomic(durable=True):
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.fence != held.fence:
            raise Halt(TryAgain("lost_claim"))
        locked.body, locked.sealed_for = body, handler.envelope(effect)
        handler.still_wanted(locked)
        digest = hashlib.sha256(body).digest()
        if locked.request_sha256 and bytes(locked.request_sha256) != digest:
            # Whoever planned it again knows that nothing happened; other bytes never travel under an old key.
            locked.generation = planning.last_generation(locked.organization_id, locked.kind, locked.subject) + 1
        locked.state, locked.request_sha256 = State.SENDING, digest
        locked.changed_at = timezone.now()
        # What was read before may have taken most of the lease; the call gets a whole one.
        locked.lease_until = Now() + timedelta(seconds=settings.EFFECT_LEASE_S)
        locked.save(update_fields=["state", "body", "request_sha256", "generation", "changed_at", "lease_until"])
    effect.body, effect.state, effect.generation = body, State.SENDING, locked.generation


def _settle(effect: Effect, held: Claim, outcome: Outcome) -> str:
    """Write the result, if the claim is still ours: a late worker's result is refused."""
    at = timezone.now()
    with transaction.atomic(durable=not connection.in_atomic_block):
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.fence != held.fence:
            log.warning("effect %s: result of a late worker refused", locked.public_id)
            return locked.state
        locked.lease_until, locked.attempt = None, 0
        if not (locked.state == State.UNKNOWN and isinstance(outcome, OutcomeUnknown)):
            locked.changed_at = at  # while it stays in doubt, the doubt keeps its age
        answered = held.was == State.UNKNOWN and isinstance(outcome, TryAgain)
        locked.tries += not answered  # the answer "it did not happen" makes nobody wait longer
        if isinstance(outcome, TryAgain):
            locked.state, locked.code = State.PLANNED, outcome.code
            locked.next_run_at = at + _delay(locked.tries, outcome.after_s)
            if answered and locked.next_run_at <= at:
                transaction.on_commit(partial(doorbell.ring, str(locked.public_id), locked.queue))
        elif isinstance(outcome, OutcomeUnknown):
            locked.state, locked.code = State.UNKNOWN, outcome.code
            locked.next_run_at = _next_question(locked, at)
        else:
            _end(locked, outcome, by=audit.system("outbox"), at=at)
        locked.save()
        Note.objects.create(
            organization_id=locked.organization_id, effect=locked, at=at, state=locked.state, code=locked.code
        )
        return locked.state


def _end(locked: Effect, outcome: Done | Refused | NeedsHuman, *, by: audit.Actor, at: datetime) -> None:
    """The end of a locked row, and of what it stands for. The caller saves it."""
    locked.state = FINAL_STATE[type(outcome)]
    locked.code = "" if isinstance(outcome, Done) else outcome.code
    locked.reference = (outcome.reference if isinstance(outcome, Done) else "") or locked.reference
    locked.next_run_at = None
    if not (isinstance(outcome, NeedsHuman) and _keeps_bytes(locked.kind)):
        locked.body = b""
    if outcome != NeedsHuman("unknown_kind"):
        _move_rows(locked, outcome)
    audit.record(
        organization_id=locked.organization_id, by=by, action=f"effect.{locked.state}",
        entity=f"effect:{locked.public_id}", at=at, reason=locked.code,
        outcome="success" if isinstance(outcome, Done) else locked.state,
    )  # fmt: skip


def _keeps_bytes(kind: str) -> bool:
    try:
        return handler_of(kind).keeps_bytes
    except UnknownKind:
        return False


def _crashed(effect: Effect, held: Claim, fault: str) -> None:
    """A program fault: wait, and after POISON_AFTER of them give it to a person. `sending` stays: it is unknown."""
    with suppress(Effect.DoesNotExist), transaction.atomic():
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.fence != held.fence or locked.state not in OPEN:
            return
        locked.code, locked.changed_at, locked.lease_until = f"fault:{fault}"[:64], timezone.now(), None
        locked.next_run_at = timezone.now() + _delay(held.attempt, None)
        if held.attempt > POISON_AFTER:
            # Not even the parking went well: parked all the same, or it would run for ever.
            locked.state, locked.code, locked.next_run_at = State.NEEDS_HUMAN, "poison", None
        elif locked.state == State.SENDING:
            locked.state = State.UNKNOWN
        locked.save(update_fields=["state", "code", "changed_at", "lease_until", "next_run_at"])
        Note.objects.create(
            organization_id=locked.organization_id,
            effect=locked,
            at=timezone.now(),
            state=locked.state,
            code=locked.code,
        )


def _move_rows(effect: Effect, outcome: Outcome) -> None:
    """The handler's settle. The effect's own row is written last: written first, it would be waited for by whoever
    plans the same act under a lock that this settle still needs."""
    token = planning.ending.set(effect.pk)
    try:
        handler_of(effect.kind).settle(effect, outcome)
    finally:
        planning.ending.reset(token)


def _next_question(effect: Effect, at: datetime) -> datetime:
    """Soon, since the partner may well know of it; and once more when "I never heard of it" can be believed."""
    soon, believed = at + _delay(effect.tries, None), effect.changed_at + timedelta(seconds=settings.SETTLE_S)
    return min(soon, believed + _delay(0, None)) if at < believed else soon


def _delay(tries: int, wished_s: float | None) -> timedelta:
    """The partner's wish, else full jitter: anywhere between half a second and an exponentially growing cap."""
    if wished_s is not None:
        return timedelta(seconds=min(max(wished_s, 0.0), BACKOFF_CAP_S))
    cap = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(tries, 12))
    return timedelta(seconds=random.uniform(0.5, cap))


def run_inline(effect: Effect) -> Effect:
    """Run an effect for which a page waits, in this thread and not for long; the sweeper takes over whatever does not
    end here, with all the patience that the partner needs."""
    with a_page_waits():
        run(str(effect.public_id))
    effect.refresh_from_db()
    return effect


def a_page_waits() -> AbstractContextManager[None]:
    """Around several effects that one page waits for: they share its few seconds."""
    return deadline.within(PAGE_WAITS_S)


class NotRetryable(Exception):
    """This effect has ended. Look at its timeline; a new act needs a new effect."""


def retry(effect: Effect, *, by: audit.Actor, at: datetime) -> None:
    """The operator's button: look at it now. Two presses are one."""
    with transaction.atomic():
        locked = Effect.objects.select_for_update().get(pk=effect.pk)
        if locked.state not in (*OPEN, State.NEEDS_HUMAN):
            raise NotRetryable
        if locked.state == State.NEEDS_HUMAN:
            # An act that once went out is asked about first; one that never did is simply planned again.
            locked.state = State.UNKNOWN if locked.request_sha256 else State.PLANNED
            locked.deadline_at = None
        locked.next_run_at, locked.attempt, locked.changed_at = at, 0, at
        locked.save()
        Note.objects.create(
            organization_id=locked.organization_id,
            effect=locked,
            at=at,
            state=locked.state,
            code="retry",
            actor=str(by),
        )
        audit.record(
            organization_id=locked.organization_id,
            by=by,
            action="effect.retried",
            entity=f"effect:{locked.public_id}",
            at=at,
        )
        transaction.on_commit(partial(doorbell.ring, str(locked.public_id), locked.queue))
