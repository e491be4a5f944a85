"""Double entry: every cause moves the same sum out of some accounts and into others. The database refuses a cause that
does not sum to zero, and any change of an entry (migration 0002), so the books can be added up at any time.

held        promised by the patient's bank, not ours
processor   taken, lying with the payment processor: captured minus refunded, to the cent
patient     the other side of both"""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Sum

from ehrcommerce.commerce.orders.models import LedgerEntry, Order, Payment

HELD, PROCESSOR, PATIENT = "held", "processor", "patient"


def authorized(payment: Payment, *, at: datetime) -> None:
    _write(payment, "authorize", {HELD: payment.amount_cents, PATIENT: -payment.amount_cents}, at)


def captured(payment: Payment, amount_cents: int, *, at: datetime) -> None:
    """Take `amount_cents`; the rest of the hold goes back to the patient."""
    rest = payment.amount_cents - amount_cents
    _write(payment, "capture", {HELD: -payment.amount_cents, PROCESSOR: amount_cents, PATIENT: rest}, at)


def voided(payment: Payment, *, at: datetime) -> None:
    _write(payment, "void", {HELD: -payment.amount_cents, PATIENT: payment.amount_cents}, at)


def refunded(payment: Payment, amount_cents: int, *, total_cents: int, at: datetime) -> None:
    """`total_cents` is all that was refunded until now: the name of this cause, so that it is written once."""
    _write(payment, f"refund:{total_cents}", {PROCESSOR: -amount_cents, PATIENT: amount_cents}, at)


def replaced(order: Order, name: str, *, at: datetime) -> None:
    """Goods go out once more, and nothing is owed for them: an entry that says so, of no cents."""
    LedgerEntry.objects.create(
        organization_id=order.organization_id, order=order, at=at, cause=f"replacement:{name}", account=PATIENT,
        amount_cents=0,
    )  # fmt: skip


def _write(payment: Payment, cause: str, amounts: Mapping[str, int], at: datetime) -> None:
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            organization_id=payment.organization_id, order_id=payment.order_id, at=at,
            cause=f"payment:{payment.public_id}:{cause}", account=account, amount_cents=amount_cents,
        )
        for account, amount_cents in amounts.items()
        if amount_cents
    )  # fmt: skip


def balance(order: Order, account: str) -> int:
    """What stands in one account of one order."""
    return LedgerEntry.objects.filter(order=order, account=account).aggregate(sum=Sum("amount_cents"))["sum"] or 0


def agrees(payment: Payment) -> bool:
    """Whether the entries of a payment say what its row says: what lies with the processor, and what is held."""
    of_it = LedgerEntry.objects.filter(order_id=payment.order_id, cause__startswith=f"payment:{payment.public_id}:")
    sums = dict(of_it.values_list("account").annotate(sum=Sum("amount_cents")).order_by())
    held = payment.amount_cents if payment.state == "authorized" else 0
    return (sums.get(HELD, 0), sums.get(PROCESSOR, 0)) == (held, payment.captured_cents - payment.refunded_cents)
