"""The refund: the one act on money that a processor does as often as it is asked. So a refund in doubt is never sent under
another key or with another sum: it is finished under its own key, which the processor absorbs, or put before a person.

What went out stands in the effect's notes: one when bytes leave, one for what came of it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.orders import money, signals
from ehrcommerce.commerce.orders.effects import ENDED, PENDING, ActOnHold, elsewhere, found, was_taken_on
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.outbox.models import Effect, Note, State
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers.ports import PaymentStatus

AGAIN_S = 3600.0
IN_DOUBT = "refund_in_doubt"
SAID_NO = "refund_refused"
# The processor says that it answers from memory: an error that it keeps under the key.
KEPT = "kept_error"
ANEW = "anew"
# Processors forget keys after a day; less, since their clock and ours differ.
KEY_LIVES = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Sends:
    """What the notes say of what went out. `since`: when the first of those bytes left that may still be done;
    `doubt`: whether one of them was asked about in vain; `number`: how many keys are spent for good."""

    number: int = 0
    since: datetime | None = None
    doubt: bool = False

    def after(self, row: Note) -> "Sends":
        """A definite no spends its key, unless something under that key is in doubt; so does an error that is kept."""
        if row.state == State.SENDING:
            return Sends(0, row.at) if row.code == ANEW else Sends(self.number, self.since or row.at, self.doubt)
        if row.code == KEPT:
            return Sends(self.number + 1)
        open_ended = row.state in (State.UNKNOWN, State.NEEDS_HUMAN) or row.code == "not_found"
        if self.since is not None and (self.doubt or (open_ended and row.code != "not_authorized")):
            return Sends(self.number, self.since, True)
        return Sends(self.number + (row.code == SAID_NO and row.state == State.PLANNED))

    @property
    def is_old(self) -> bool:
        """Whether the processor may have forgotten the key under which it went."""
        return self.since is not None and timezone.now() - self.since > KEY_LIVES


def sends_of(effect: Effect) -> Sends:
    rows = list(effect.notes.order_by("pk"))
    if effect.request_sha256 and not any(row.state == State.SENDING for row in rows):
        return Sends(since=effect.created_at, doubt=True)  # sent by a version that wrote no such notes
    sends = Sends()
    for row in rows:
        sends = sends.after(row)
    return sends


class RefundPayment(ActOnHold):
    """Give back what was captured and is not owed any more."""

    kind = "payment.refund"
    needs = ("captured",)
    before = "captured"
    keeps_bytes = True  # a sum and nothing else; by it a person's Retry knows what to look for

    def key(self, effect: Effect) -> str:
        number = sends_of(effect).number
        return str(uuid5(UUID(effect.idempotency_key), f"no:{number}")) if number else effect.idempotency_key

    def prepare(self, effect: Effect) -> bytes:
        self._hear(effect)
        payment = self.payment(effect)
        amount = _to_give_back(payment.order, payment)
        sent, sends = bytes(effect.body), sends_of(effect)
        if sends.doubt and not (sent and payment.refunded_cents >= _written(sent)[1]):
            if not sent or sends.is_old or not _still_right(payment, sent, amount):
                raise Halt(NeedsHuman(IN_DOUBT))
            return sent  # finished first, under its own key; the rest follows
        if amount <= 0:
            raise Halt(Refused("nothing_due"))
        return json.dumps({"amount_cents": amount, "total_cents": payment.refunded_cents + amount}).encode()

    def _hear(self, effect: Effect) -> None:
        """What was given back already, by whomever, is not given back once more: asked before anything is sent."""
        payment = self.payment(effect)
        status = self.processor(payment).find(str(payment.public_id))
        if status is not None and status.refunded_cents > payment.refunded_cents:
            with transaction.atomic():
                order, locked = self.locked(effect)
                money.adopt(order, locked, status, at=timezone.now())

    def last_look(self, order: Order, payment: Payment, body: bytes) -> None:
        if not _still_right(payment, body, _to_give_back(order, payment)):
            raise Halt(TryAgain("sum_changed", after_s=0))

    def still_wanted(self, effect: Effect) -> None:
        super().still_wanted(effect)
        before, now = bytes(effect.request_sha256 or b""), hashlib.sha256(bytes(effect.body)).digest()
        Note.objects.create(
            organization_id=effect.organization_id, effect=effect, at=timezone.now(), state=State.SENDING,
            code=ANEW if before and before != now else "",
        )  # fmt: skip

    def act(self, payment: Payment, body: bytes, key: str) -> Outcome:
        """A card may be closed today and replaced tomorrow: a no is tried again for three days, then a person finds
        another way (REL-F23)."""
        outcome = self.processor(payment).refund(payment.processor_reference, _written(body)[0], idempotency_key=key)
        if isinstance(outcome, Refused) and outcome.code not in ("wrong_state", "amount_too_large"):
            return TryAgain(SAID_NO, after_s=AGAIN_S)
        return outcome

    def ask(self, effect: Effect) -> Outcome:
        """By the sum. Another one than before and after means that somebody else gave money back meanwhile."""
        payment, body = self.payment(effect), bytes(effect.body)
        status = self.processor(payment).find(str(payment.public_id))
        if status is None:
            return NeedsHuman("not_found")
        if self.happened(payment, status, body):
            return self.compared(payment, found(status))
        if status.state in ENDED and status.state != self.before:
            return elsewhere(status)
        if body and status.refunded_cents != _written(body)[1] - _written(body)[0]:
            return NeedsHuman(IN_DOUBT)
        if was_taken_on(effect):
            return OutcomeUnknown(PENDING)
        return NeedsHuman(IN_DOUBT) if sends_of(effect).is_old else self.missing(effect)

    def overdue(self, effect: Effect) -> Outcome:
        return NeedsHuman(IN_DOUBT if sends_of(effect).doubt else "refund_failed")

    def unresolved(self, effect: Effect) -> Outcome:
        return NeedsHuman(IN_DOUBT)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        super().settle(effect, outcome)
        if outcome == NeedsHuman("refund_failed"):
            order, _ = self.locked(effect)
            at = timezone.now()
            note(order, Code.REFUND_LATE, by=audit.system("orders"), at=at)
            signals.money_moved.send(sender=Order, order=order, code=Code.REFUND_LATE, at=at)

    def happened(self, payment: Payment, status: PaymentStatus, body: bytes) -> bool:
        """Without the bytes (a restored database): more than our books know is news, whoever gave it."""
        return status.refunded_cents >= _written(body)[1] if body else status.refunded_cents > payment.refunded_cents


def _written(body: bytes) -> tuple[int, int]:
    """The sum of a written refund, and what is given back in all once it is done."""
    found: dict[str, int] = json.loads(body)
    return found["amount_cents"], found["total_cents"]


def _to_give_back(order: Order, payment: Payment) -> int:
    return payment.captured_cents - payment.refunded_cents - money.due_cents(order)


def _still_right(payment: Payment, body: bytes, amount_cents: int) -> bool:
    """Whether a written refund starts from what our books say and gives back no more than is to be given back."""
    amount, total = _written(body)
    return total - amount == payment.refunded_cents and amount <= amount_cents
