"""What a processor's word does to our payment, order and books, and which act on money is due next.

Everything here runs under the order's row lock and calls nobody: acts on money are effects (effects.py)."""

from datetime import datetime, timedelta

from django.db.models import F, Q, Sum

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.orders import ledger, moves, signals
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderFee, OrderLine, Payment
from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers.ports import PaymentStatus

PROCESSOR = audit.Actor("supplier", "payment")
WAITING = ("planned", "open")
LIVE = ("planned", "open", "authorized", "captured")
DEAD = ("failed", "expired")
ACT_WITHIN = timedelta(hours=72)
OVER = (OrderState.CANCELLED, OrderState.REFUSED)
NOT_SENT = (OrderState.AUTHORIZED, OrderState.GATED)
HELD = (MoneyState.RECONCILE_NEEDED, MoneyState.DISPUTED)


def agrees(payment: Payment, status: PaymentStatus) -> bool:
    """Whether the processor speaks of the sum that we asked for, and of no more than that taken and given back."""
    asked = (status.amount_cents, status.currency) == (payment.amount_cents, payment.currency)
    return asked and status.refunded_cents <= status.captured_cents <= status.amount_cents


def adopt(order: Order, payment: Payment, status: PaymentStatus, *, at: datetime) -> None:
    """Take over what the processor says: forward only, so that old and doubled news change nothing."""
    payment.processor_reference = payment.processor_reference or status.processor_reference
    payment.hold_ends_at = status.hold_ends_at or payment.hold_ends_at
    if not agrees(payment, status):
        reconcile(order, payment, "amount_mismatch", at=at)
    elif status.state == "open" and payment.state in WAITING:
        _opened(order, payment, status, at=at)
    elif status.state == "authorized" and payment.state in WAITING:
        _authorized(order, payment, at=at)
    elif status.state in ("failed", "expired") and payment.state in WAITING:
        _failed(order, payment, status.state, at=at)
    elif status.state in ("captured", "refunded") and payment.state == "authorized":
        _captured(order, payment, status.captured_cents, at=at)
    elif status.state == "expired" and payment.state == "authorized" and order.state in NOT_SENT:
        _hold_ended(order, payment, at=at)
    elif status.state in ("voided", "expired", "failed") and payment.state == "authorized":
        _voided(order, payment, at=at)
    elif status.state in ("captured", "voided", "refunded") and payment.state in WAITING:
        reconcile(order, payment, "unexpected_state", at=at)
    elif status.state == "authorized" and payment.state in DEAD:
        _plan("payment.void", payment, at)  # we called it dead and the patient may have paid anew
    elif status.state == "captured" and payment.state in (*DEAD, "voided"):
        reconcile(order, payment, "captured_after_end", at=at)
    if payment.state == "captured" and status.refunded_cents > payment.refunded_cents:
        _refunded(order, payment, status.refunded_cents, at=at)
    if status.disputed != payment.disputed:
        _disputed(order, payment, status.disputed, at=at)
    _save(payment, at)


def _hold_ended(order: Order, payment: Payment, *, at: datetime) -> None:
    """The bank's promise lapsed before anything was sent: the patient is asked to pay anew, and nothing goes until
    then (REL-F22)."""
    payment.state = "expired"
    ledger.voided(payment, at=at)
    moves.move(order, money=MoneyState.NONE, code=Code.HOLD_ENDED, by=PROCESSOR, at=at)
    signals.money_moved.send(sender=Order, order=order, code=Code.HOLD_ENDED, at=at)


def waits_for_money(order: Order) -> bool:
    """Whether the patient is to pay: for the first time, or anew since the hold lapsed."""
    lapsed = order.state in NOT_SENT and order.money == MoneyState.NONE
    return order.total_cents > 0 and (order.state == OrderState.QUOTED or lapsed)


def _disputed(order: Order, payment: Payment, disputed: bool, *, at: datetime) -> None:
    """The bank asks the money back, or has stopped asking. What has not left is stopped; no money moves meanwhile, since
    a refund on top of a dispute would pay twice (REL-F24)."""
    payment.disputed = disputed
    _save(payment, at)
    audit.record(
        organization_id=order.organization_id, by=PROCESSOR, at=at, customer_key=order.offer.customer_key,
        action="payment.disputed" if disputed else "payment.dispute_ended", entity=f"payment:{payment.public_id}",
    )  # fmt: skip
    if not disputed:
        back = MoneyState.CAPTURED if order.money == MoneyState.DISPUTED else ""
        moves.move(order, money=back, code=Code.DISPUTE_ENDED, by=PROCESSOR, at=at)
        settle(order, at=at)
        return
    frozen = MoneyState.DISPUTED if order.money == MoneyState.CAPTURED else ""
    moves.move(order, money=frozen, code=Code.PAYMENT_DISPUTED, by=PROCESSOR, at=at)
    signals.stopped.send(sender=Order, order=order, reason="payment_disputed", at=at)
    _plan("payment.compare", payment, at)


def _save(payment: Payment, at: datetime) -> None:
    payment.changed_at = at
    payment.save()


def _opened(order: Order, payment: Payment, status: PaymentStatus, *, at: datetime) -> None:
    if payment.state == "planned":
        note(order, Code.PAYMENT_OPENED, by=PROCESSOR, at=at)
    payment.state, payment.page_url = "open", status.url or payment.page_url


def _authorized(order: Order, payment: Payment, *, at: datetime) -> None:
    payment.state = "authorized"
    _save(payment, at)
    ledger.authorized(payment, at=at)
    wanted = waits_for_money(order)
    first = OrderState.AUTHORIZED if order.state == OrderState.QUOTED else ""
    moves.move(
        order, state=first, money=MoneyState.AUTHORIZED, code=Code.PAYMENT_AUTHORIZED,
        by=PROCESSOR, at=at,
    )  # fmt: skip
    if wanted:
        signals.authorized.send(sender=Order, order=order, at=at)
    else:
        settle(order, at=at)  # paid on one page, cancelled on another: the hold is given back


def _failed(order: Order, payment: Payment, state: str, *, at: datetime) -> None:
    payment.state = state
    note(order, Code.PAYMENT_FAILED, by=PROCESSOR, at=at, detail=state)


def _captured(order: Order, payment: Payment, amount_cents: int, *, at: datetime) -> None:
    payment.state, payment.captured_cents = "captured", amount_cents
    _save(payment, at)
    ledger.captured(payment, amount_cents, at=at)
    moves.move(order, money=MoneyState.CAPTURED, code=Code.PAYMENT_CAPTURED, by=PROCESSOR, at=at)
    signals.money_moved.send(sender=Order, order=order, code=Code.PAYMENT_CAPTURED, at=at)
    if amount_cents < due_cents(order):
        reconcile(order, payment, "captured_short", at=at)
    settle(order, at=at)


def _voided(order: Order, payment: Payment, *, at: datetime) -> None:
    payment.state = "voided"
    ledger.voided(payment, at=at)
    if order.state in (OrderState.CANCELLED, OrderState.REFUSED):
        moves.move(order, money=MoneyState.VOIDED, code=Code.PAYMENT_VOIDED, by=PROCESSOR, at=at)
        signals.money_moved.send(sender=Order, order=order, code=Code.PAYMENT_VOIDED, at=at)
    else:
        # The hold is gone, and not because we gave it back: goods may be on their way without money.
        moves.move(
            order,
            money=MoneyState.RECONCILE_NEEDED,
            code=Code.PAYMENT_MISMATCH,
            detail="hold_lost",
            by=PROCESSOR,
            at=at,
        )


def _refunded(order: Order, payment: Payment, total_cents: int, *, at: datetime) -> None:
    amount = total_cents - payment.refunded_cents
    payment.refunded_cents = total_cents
    ledger.refunded(payment, amount, total_cents=total_cents, at=at)
    whole = total_cents == payment.captured_cents
    moves.move(order, money=MoneyState.REFUNDED if whole else "", code=Code.PAYMENT_REFUNDED, by=PROCESSOR, at=at)
    if whole:
        payment.state = "refunded"
    _save(payment, at)
    signals.money_moved.send(sender=Order, order=order, code=Code.PAYMENT_REFUNDED, at=at)
    if payment.captured_cents - total_cents < due_cents(order):
        reconcile(order, payment, "refunded_over", at=at)  # by somebody else: what was delivered is not paid any more
    settle(order, at=at)  # what came due while this refund was under way


def reconcile(order: Order, payment: Payment, why: str, *, at: datetime) -> None:
    """Our books and the processor's differ: a person must look, and nothing is captured or sent meanwhile."""
    if order.money != MoneyState.RECONCILE_NEEDED:
        moves.move(
            order, money=MoneyState.RECONCILE_NEEDED, code=Code.PAYMENT_MISMATCH, detail=why, by=PROCESSOR, at=at
        )
    _save(payment, at)


def due_cents(order: Order) -> int:
    """What the patient owes: the lines that a supplier has taken and not given back, with their tax, and shipping for
    each kind of which there is such a line, or whose return leaves it owed; less what a person gave back."""
    taken = OrderLine.objects.filter(order=order, accepted=True)
    items = taken.aggregate(sum=Sum(F("patient_cents") + F("tax_cents")))["sum"] or 0
    owed = Q(kind__in=taken.values("offer_line__kind")) | Q(kept=True)
    fees = OrderFee.objects.filter(owed, order=order, waived=False)
    sum_cents: int = items + (fees.aggregate(sum=Sum(F("cents") + F("tax_cents")))["sum"] or 0)
    return max(0, sum_cents - order.given_back_cents)


def refundable_cents(order: Order) -> int:
    """The most that can still be given back beside what is on its way already; 0 where no money moves now."""
    payment = live_payment(order)
    if payment is None or payment.state != "captured" or order.money != MoneyState.CAPTURED:
        return 0
    return min(payment.captured_cents - payment.refunded_cents, due_cents(order))


def live_payment(order: Order) -> Payment | None:
    """The payment that counts: at most one lives."""
    return Payment.objects.filter(order=order, state__in=LIVE).select_related("supplier").first()


def settle(order: Order, *, at: datetime) -> None:
    """Plan the act that brings the money to what is due, if it is known. Twice is once.

    Call whenever a supplier's answer, an act on the money, or a person may have made one due.
    """
    payment, due = live_payment(order), due_cents(order)
    if payment is None or order.money in HELD:
        return
    if payment.state == "authorized" and not undecided(order):
        _plan("payment.capture" if due else "payment.void", payment, at)
    elif payment.state == "captured" and payment.captured_cents - payment.refunded_cents > due:
        _plan("payment.refund", payment, at)


def undecided(order: Order) -> bool:
    """Whether a supplier's answer or a cancel is still awaited, or a cancel ended in doubt: until that is settled the
    hold is neither taken nor given back."""
    if order.state in OVER:
        return False
    open_lines = OrderLine.objects.filter(Q(accepted=None) | Q(asked_back=True), order=order)
    return order.state == OrderState.CANCEL_REQUESTED or open_lines.exists()


def _plan(kind: str, payment: Payment, at: datetime) -> None:
    outbox.plan_next(
        kind=kind,
        subject=str(payment.public_id),
        organization_id=payment.organization_id,
        at=at,
        deadline_at=at + ACT_WITHIN,
    )
