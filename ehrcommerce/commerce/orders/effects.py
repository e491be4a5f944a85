"""The acts on money. Each is looked up by our reference before it is ever sent a second time (REL-P25)."""

import json
import uuid
from typing import ClassVar

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import gate, money, moves, signals
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.commerce.orders.services import RECONCILE_FIRST, payment_request
from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import NoSupplier, Payments, PaymentStatus

LEFT = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED)
MISMATCH = ("amount_mismatch", "page_elsewhere")
PENDING = "pending"
ENDED = ("captured", "voided", "failed", "expired", "refunded")


class PaymentHandler(Handler):
    """What all of them share: the payment, its processor, and how news is taken over."""

    queue = "patient"
    needs: ClassVar[tuple[str, ...]] = ()

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def payment(self, effect: Effect) -> Payment:
        return Payment.objects.select_related("order", "supplier").get(public_id=effect.subject)

    def processor(self, payment: Payment) -> Payments:
        return chosen.payments(payment.supplier, known={str(payment.public_id): payment.processor_reference})

    def locked(self, effect: Effect) -> tuple[Order, Payment]:
        """Order first, then payment: the order of locks everywhere."""
        order_id = Payment.objects.values_list("order_id", flat=True).get(public_id=effect.subject)
        order = moves.lock(order_id)
        return order, Payment.objects.select_for_update(of=("self",)).select_related("supplier").get(
            public_id=effect.subject
        )

    def still_wanted(self, effect: Effect) -> None:
        order, payment = self.locked(effect)
        if payment.state not in self.needs:
            raise Halt(Refused("not_wanted"))
        if order.money == MoneyState.RECONCILE_NEEDED:
            raise Halt(NeedsHuman(RECONCILE_FIRST))
        if payment.disputed:
            raise Halt(NeedsHuman("payment_disputed"))
        try:
            chosen.usable(payment.supplier, at=timezone.now())
        except NoSupplier as problem:
            raise Halt(NeedsHuman("no_agreement")) from problem
        self.last_look(order, payment, bytes(effect.body))
        audit.record(
            organization_id=effect.organization_id, by=audit.system("orders"), action=f"{self.kind}.sending",
            entity=f"payment:{payment.public_id}", at=timezone.now(), recipient=payment.supplier.party,
            purpose="payment", customer_key=order.offer.customer_key,
        )  # fmt: skip

    def last_look(self, order: Order, payment: Payment, body: bytes) -> None:
        """What else must be true at this moment; raises Halt. `body` is what is about to go out."""

    def compared(self, payment: Payment, outcome: Outcome) -> Outcome:
        """No news is taken over that speaks of another sum."""
        status = outcome.facts.get("status") if isinstance(outcome, Done) else None
        if isinstance(status, PaymentStatus) and not money.agrees(payment, status):
            return NeedsHuman("amount_mismatch")
        return outcome

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        order, payment = self.locked(effect)
        at = timezone.now()
        if isinstance(outcome, Done):
            money.adopt(order, payment, outcome.facts["status"], at=at)
        elif isinstance(outcome, NeedsHuman) and outcome.code in MISMATCH:
            money.reconcile(order, payment, outcome.code, at=at)
        elif isinstance(outcome, Refused) and outcome.code not in ("not_wanted", "nothing_due"):
            self.refused(order, payment, outcome)

    def refused(self, order: Order, payment: Payment, outcome: Refused) -> None:
        """The processor will not do what our books say it owes us."""
        money.reconcile(order, payment, outcome.code, at=timezone.now())


class OpenPayment(PaymentHandler):
    """A session with a hosted page. The processor learns a reference, a sum and where to send the browser back to."""

    kind = "payment.open"
    needs = ("planned",)

    def prepare(self, effect: Effect) -> bytes:
        payment = self.payment(effect)
        return self.processor(payment).render(payment_request(payment))

    def last_look(self, order: Order, payment: Payment, body: bytes) -> None:
        if not money.waits_for_money(order):
            raise Halt(Refused("not_wanted"))

    def send(self, effect: Effect, body: bytes) -> Outcome:
        payment = self.payment(effect)
        outcome = self.processor(payment).open(body, idempotency_key=fresh_key(effect))
        if isinstance(outcome, Done) and outcome.facts["status"].state == "open" and not outcome.facts["status"].url:
            return NeedsHuman("page_elsewhere")
        return self.compared(payment, outcome)

    def ask(self, effect: Effect) -> Outcome:
        payment = self.payment(effect)
        status = self.processor(payment).find(str(payment.public_id))
        return self.compared(payment, found(status)) if status else self.missing(effect)

    def refused(self, order: Order, payment: Payment, outcome: Refused) -> None:
        at = timezone.now()
        payment.state, payment.changed_at = "failed", at
        payment.save(update_fields=["state", "changed_at"])
        note(order, Code.PAYMENT_FAILED, by=money.PROCESSOR, at=at, detail="refused")


def fresh_key(effect: Effect) -> str:
    """The effect's key; another after each time that the processor was asked and knew nothing of it. Some keep the first
    answer to a key, also where it was an error: that key never heals (REL-F20). For acts that a session allows once:
    what comes late under the key before finds the session elsewhere, or is a page that nobody was sent to."""
    missed = effect.notes.filter(code="not_found").count()
    return str(uuid.uuid5(uuid.UUID(effect.idempotency_key), str(missed))) if missed else effect.idempotency_key


class LookAtPayment(PaymentHandler):
    """Ask the processor how a payment stands: after a callback, after the browser came back, and now and then."""

    kind = "payment.look"

    def still_wanted(self, effect: Effect) -> None:
        """A question is always allowed."""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        payment = self.payment(effect)
        status = self.processor(payment).find(str(payment.public_id))
        return self.compared(payment, found(status)) if status else Refused("not_found")

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")

    def refused(self, order: Order, payment: Payment, outcome: Refused) -> None:
        """Not there (yet): the effect that opens it decides what that means."""


class ActOnHold(PaymentHandler):
    """Capture, void and refund (refunding.py): an act on a session, then its state tells whether it happened.

    A success that the session does not show is not believed: a processor may take an act on and do it later. What it
    took on is waited for and never sent again; a person looks when it has not come by the deadline.
    """

    before: ClassVar[str]

    def act(self, payment: Payment, body: bytes, key: str) -> Outcome:
        raise NotImplementedError

    def happened(self, payment: Payment, status: PaymentStatus, body: bytes) -> bool:
        raise NotImplementedError

    def key(self, effect: Effect) -> str:
        """Capture and void may come late under a key before: a session is taken or given back once, whatever the key."""
        return fresh_key(effect)

    def send(self, effect: Effect, body: bytes) -> Outcome:
        payment = self.payment(effect)
        outcome = self.act(payment, body, self.key(effect))
        if isinstance(outcome, Refused) and outcome.code == "wrong_state":
            # It may be in the state we wanted already, or in one that is news to us.
            status = self.processor(payment).find(str(payment.public_id))
            if status is not None:
                outcome = found(status) if self.happened(payment, status, body) else elsewhere(status)
        if isinstance(outcome, Done) and not self.happened(payment, outcome.facts["status"], body):
            outcome = OutcomeUnknown(PENDING)
        return self.compared(payment, outcome)

    def ask(self, effect: Effect) -> Outcome:
        payment = self.payment(effect)
        status = self.processor(payment).find(str(payment.public_id))
        if status is None:
            return NeedsHuman("not_found")
        if self.happened(payment, status, bytes(effect.body)):
            return self.compared(payment, found(status))
        if status.state in ENDED and status.state != self.before:
            return elsewhere(status)
        return OutcomeUnknown(PENDING) if was_taken_on(effect) else self.missing(effect)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        super().settle(effect, outcome)
        stopped = isinstance(outcome, Refused) and outcome.code.startswith(gate.STOPPED)
        if not stopped and not isinstance(outcome, NeedsHuman):
            # What came due meanwhile joined this act, which now has ended without it.
            money.settle(self.locked(effect)[0], at=timezone.now())

    def refused(self, order: Order, payment: Payment, outcome: Refused) -> None:
        """News that explains the refusal is taken over; without any, books and processor differ."""
        status = outcome.facts.get("status")
        known = payment.state, payment.refunded_cents
        if isinstance(status, PaymentStatus):
            money.adopt(order, payment, status, at=timezone.now())
        if (payment.state, payment.refunded_cents) == known:
            super().refused(order, payment, outcome)


class CapturePayment(ActOnHold):
    """Take the money of the lines that suppliers accepted, once, after a last look into the chart (design laws 7,
    8)."""

    kind = "payment.capture"
    needs = ("authorized",)
    before = "authorized"

    def prepare(self, effect: Effect) -> bytes:
        payment = self.payment(effect)
        amount = money.due_cents(payment.order)
        if not amount:
            raise Halt(Refused("nothing_due"))
        if payment.order.state not in LEFT:
            self._check_chart(payment)
        return json.dumps({"amount_cents": amount}).encode()

    def _check_chart(self, payment: Payment) -> None:
        lines = OfferLine.objects.filter(pk__in=payment.order.lines.filter(accepted=True).values("offer_line"))
        finding = gate.read_chart(list(lines), organization_id=payment.organization_id, by=str(audit.system("orders")))
        gate.require_whole(finding)
        if finding.problem:
            raise Halt(Refused(f"{gate.STOPPED}{finding.problem}"))
        Payment.objects.filter(pk=payment.pk).update(checked_at=finding.checked_at)

    def last_look(self, order: Order, payment: Payment, body: bytes) -> None:
        _require_alone(payment, "payment.void")
        if money.undecided(order):
            raise Halt(Refused("not_wanted"))
        if money.due_cents(order) != json.loads(body)["amount_cents"]:
            raise Halt(TryAgain("sum_changed", after_s=0))
        # What has left the supplier is owed, whatever the chart says today.
        if order.state not in LEFT:
            gate.require_fresh(order, payment.checked_at)

    def act(self, payment: Payment, body: bytes, key: str) -> Outcome:
        wanted = json.loads(body)["amount_cents"]
        return self.processor(payment).capture(payment.processor_reference, wanted, idempotency_key=key)

    def happened(self, payment: Payment, status: PaymentStatus, body: bytes) -> bool:
        return status.state in ("captured", "refunded")

    def refused(self, order: Order, payment: Payment, outcome: Refused) -> None:
        if outcome.code.startswith(gate.STOPPED):
            reason = outcome.code.removeprefix(gate.STOPPED)
            signals.stopped.send(sender=Order, order=order, reason=reason, at=timezone.now())
        else:
            super().refused(order, payment, outcome)


class VoidPayment(ActOnHold):
    """Give the whole hold back; also one on a payment that we had given up."""

    kind = "payment.void"
    needs = ("authorized", *money.DEAD)
    before = "authorized"

    def last_look(self, order: Order, payment: Payment, body: bytes) -> None:
        _require_alone(payment, "payment.capture")
        if payment.state == "authorized" and (money.undecided(order) or money.due_cents(order)):
            raise Halt(Refused("not_wanted"))

    def act(self, payment: Payment, body: bytes, key: str) -> Outcome:
        return self.processor(payment).void(payment.processor_reference, idempotency_key=key)

    def happened(self, payment: Payment, status: PaymentStatus, body: bytes) -> bool:
        return status.state in ("voided", "expired", "failed")


def found(status: PaymentStatus) -> Done:
    return Done(reference=status.processor_reference, facts={"status": status})


def elsewhere(status: PaymentStatus) -> Refused:
    """The session stands where this act cannot lead any more: settling takes that over."""
    return Refused("wrong_state", facts={"status": status})


def was_taken_on(effect: Effect) -> bool:
    """Whether the processor said yes to this act, and no person has pressed Retry since."""
    last = effect.notes.filter(code__in=(PENDING, "retry")).order_by("-pk").first()
    return last is not None and last.code == PENDING


def _require_alone(payment: Payment, other: str) -> None:
    """Capture and void are never under way together."""
    under_way = Effect.objects.filter(
        organization_id=payment.organization_id, kind=other, subject=str(payment.public_id),
        state__in=(State.SENDING, State.UNKNOWN),
    )  # fmt: skip
    if under_way.exists():
        raise Halt(TryAgain("other_act_under_way"))


HANDLERS = (OpenPayment, LookAtPayment, CapturePayment, VoidPayment)
