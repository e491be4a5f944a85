"""Our books against the processor's own list, day by day. What differs becomes a person's work with its cause and its
remedy; what we merely had not heard of is taken over. The processor is asked, never told: nothing is sent from here."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.orders import ledger, money
from ehrcommerce.commerce.orders.effects import PaymentHandler
from ehrcommerce.commerce.orders.models import LedgerEntry, Payment, Reconciliation
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome
from ehrcommerce.suppliers import callbacks, chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import PaymentStatus

# What a payment of ours must look like at the processor. Its state may run ahead of ours, and is taken over then.
EXPECTED = {
    "open": ("open",), "authorized": ("authorized",), "captured": ("captured",), "refunded": ("refunded",),
    "voided": ("voided", "expired", "failed"), "failed": ("failed", "expired", "voided"),
    "expired": ("expired", "failed", "voided"),
}  # fmt: skip
LIVING = ("open", "authorized", "captured", "refunded")
BATCH = 500


def differs(payment: Payment, status: PaymentStatus | None) -> str:
    """Why this payment is not the same on both sides, as a code; "" where it is."""
    if status is None:
        return "not_at_processor" if payment.state in LIVING else ""
    if not money.agrees(payment, status):
        return "amount_mismatch"
    if status.disputed:
        return "payment_disputed"
    if status.captured_cents != payment.captured_cents:
        return "captured_differs"
    if status.refunded_cents != payment.refunded_cents:
        return "refunded_differs"
    if status.state not in EXPECTED.get(payment.state, ()):
        return "state_differs"
    return "" if ledger.agrees(payment) else "ledger_differs"


class ComparePayment(PaymentHandler):
    """One payment on both sides: news is taken over first, and what differs then is a person's work. Retry compares
    again."""

    kind = "payment.compare"
    queue = "bulk"

    def still_wanted(self, effect: Effect) -> None:
        """A question is always allowed."""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        payment = self.payment(effect)
        status = self.processor(payment).find(str(payment.public_id))
        if status is not None and money.agrees(payment, status):
            with transaction.atomic():
                order, locked = self.locked(effect)
                money.adopt(order, locked, status, at=timezone.now())
        payment.refresh_from_db()
        why = differs(payment, status)
        return NeedsHuman(why) if why else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """No money moves on books that differ. A dispute freezes it in its own way."""
        if isinstance(outcome, NeedsHuman) and outcome.code in (
            "amount_mismatch", "captured_differs", "refunded_differs", "ledger_differs", "not_at_processor",
        ):  # fmt: skip
            order, payment = self.locked(effect)
            money.reconcile(order, payment, outcome.code, at=timezone.now())


class Stray(Handler):
    """A payment under a reference that we never gave. Subject: a digest; the processor's id stands in `reference`."""

    kind = "payment.stray"
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        return NeedsHuman("stray_at_processor")

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


class ReconcileDay(Handler):
    """One day of one processor. Subject: `<supplier>:<day>`. Asking twice is asking once."""

    kind = "payment.reconcile"
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        supplier, day = _named(effect)
        since = datetime.combine(day, time(), UTC)
        listed = chosen.payments(supplier).listed(since, since + timedelta(days=1))
        return Done(facts={"listed": listed, "supplier": supplier, "day": day})

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            _write(outcome.facts["supplier"], outcome.facts["day"], outcome.facts["listed"], at=timezone.now())


def _named(effect: Effect) -> tuple[Supplier, date]:
    public_id, _, day = effect.subject.partition(":")
    return Supplier.objects.get(public_id=public_id), date.fromisoformat(day)


def _write(supplier: Supplier, day: date, listed: list[PaymentStatus], *, at: datetime) -> None:
    """The row of the day, and an effect for each payment that is not plainly the same on both sides."""
    by_reference = {one.reference: one for one in listed}
    known = [reference for reference in by_reference if callbacks.uuid_of(reference)]
    mine = {str(row.public_id): row for row in Payment.objects.filter(supplier=supplier, public_id__in=known)}
    since = datetime.combine(day, time(), UTC)
    unlisted = Payment.objects.filter(
        supplier=supplier, state__in=LIVING[1:], changed_at__gte=since, changed_at__lt=since + timedelta(days=1)
    ).exclude(public_id__in=list(mine))
    doubtful = [row for key, row in mine.items() if differs(row, by_reference[key])] + list(unlisted.order_by("pk"))
    strays = [one for one in listed if one.reference not in mine]
    for payment in doubtful:
        outbox.plan_next(
            kind="payment.compare", subject=str(payment.public_id), organization_id=supplier.organization_id, at=at
        )
    for stray in strays:
        _note_stray(supplier, stray, at)
    Reconciliation.objects.update_or_create(
        organization_id=supplier.organization_id, supplier=supplier, day=day,
        defaults={
            "listed": len(listed), "agreed": len(mine) - sum(1 for row in doubtful if str(row.public_id) in mine),
            "to_compare": len(doubtful), "strays": len(strays), "at": at,
            "crooked": len(crooked(supplier.organization_id, day)),
        },
    )  # fmt: skip
    audit.record(
        organization_id=supplier.organization_id, by=audit.system("orders"), action="payments.reconciled", at=at,
        entity=f"supplier:{supplier.public_id}", recipient=supplier.party, reason=day.isoformat(),
    )  # fmt: skip


def _note_stray(supplier: Supplier, stray: PaymentStatus, at: datetime) -> None:
    subject = hashlib.sha256(f"{supplier.public_id}:{stray.processor_reference}".encode()).hexdigest()[:40]
    effect = outbox.plan(
        kind="payment.stray", subject=subject, organization_id=supplier.organization_id, at=at, recipient=supplier.party
    )
    Effect.objects.filter(pk=effect.pk, reference="").update(reference=stray.processor_reference)


@dataclass(frozen=True, slots=True)
class Crooked:
    """An order whose books do not add up. `why`: unbalanced, or payment where ledger and payment differ."""

    order_id: int
    why: str


def crooked(organization_id: int, day: date | None = None) -> list[Crooked]:
    """Orders of this day (None: of all days) whose entries do not sum to zero, or not to their payments. The database
    refuses both; this looks whether it did."""
    entries = LedgerEntry.objects.filter(organization_id=organization_id)
    if day is not None:
        since = datetime.combine(day, time(), UTC)
        entries = entries.filter(at__gte=since, at__lt=since + timedelta(days=1))
    sums = entries.values("order_id").annotate(sum=Sum("amount_cents"), rows=Count("pk")).order_by("order_id")
    orders = {row["order_id"]: row["sum"] for row in sums.iterator()}
    found = [Crooked(order_id, "unbalanced") for order_id, total in orders.items() if total]
    for payment in Payment.objects.filter(organization_id=organization_id, order_id__in=orders).order_by("pk"):
        if not ledger.agrees(payment):
            found.append(Crooked(payment.order_id, "payment"))
    return found


def reconcile(*, organization_id: int, day: date, at: datetime, ring: bool = True) -> list[Effect]:
    """Plan the comparison of one day with every processor of the organization, once more if it was done before."""
    rows = Supplier.objects.filter(organization_id=organization_id, port=Port.PAYMENT).order_by("pk")
    return [
        outbox.plan_next(
            kind="payment.reconcile", subject=f"{row.public_id}:{day.isoformat()}", organization_id=organization_id,
            at=at, ring=ring,
        )
        for row in rows
    ]  # fmt: skip


def reconcile_yesterday(organization_id: int, at: datetime) -> int:
    """The chore: each processor's last whole day, unless it was compared; what cannot be asked now is tried again."""
    day = at.astimezone(UTC).date() - timedelta(days=1)
    done = Reconciliation.objects.filter(organization_id=organization_id, day=day).values("supplier")
    rows = Supplier.objects.filter(organization_id=organization_id, port=Port.PAYMENT, active=True).exclude(pk__in=done)
    for row in rows:
        outbox.plan(
            kind="payment.reconcile", subject=f"{row.public_id}:{day.isoformat()}", organization_id=organization_id,
            at=at, deadline_at=at + timedelta(days=2),
        )  # fmt: skip
    return len(rows)


HANDLERS = (ComparePayment, Stray, ReconcileDay)
