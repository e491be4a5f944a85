"""What nobody announces: a payment whose callback was lost, an order that was never paid."""

from datetime import datetime, timedelta

from django.db.models import CharField, F, OuterRef, Q, Subquery
from django.db.models.functions import Cast

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.orders import services
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import OPEN, Effect

# How long after the last look the next one is due, by the age of the payment (REL-F21).
PAUSES = ((timedelta(minutes=5), timedelta(minutes=1)), (timedelta(hours=1), timedelta(minutes=5)))
LATER = timedelta(minutes=30)
UNPAID_AFTER = timedelta(days=7)
# What nobody pays must not keep the last ones from those who would.
RESERVED_FOR = timedelta(hours=24)
BATCH = 100


def look_at_open_payments(organization_id: int, at: datetime) -> int:
    """Payments that wait for the patient, or for an answer of ours that got lost. Who waited longest comes first."""
    lapsed = Q(state="authorized", hold_ends_at__lte=at)
    waiting = Payment.objects.filter(
        Q(state="open") | lapsed, organization_id=organization_id, created_at__lte=at - PAUSES[0][1]
    )
    looked = waiting.annotate(last_look=_last_look("changed_at"), look_state=_last_look("state"))
    due = looked.filter(_is_due(at)).filter(Q(look_state=None) | ~Q(look_state__in=OPEN))
    found = list(due.order_by(F("last_look").asc(nulls_first=True), "pk")[:BATCH])
    for payment in found:
        outbox.plan_next(
            kind="payment.look", subject=str(payment.public_id), organization_id=payment.organization_id, at=at
        )
    return len(found)


def _last_look(column: str) -> Subquery:
    looks = Effect.objects.filter(
        organization_id=OuterRef("organization_id"), kind="payment.look",
        subject=Cast(OuterRef("public_id"), CharField()),
    )  # fmt: skip
    return Subquery(looks.order_by("-generation").values(column)[:1])


def _is_due(at: datetime) -> Q:
    """Never looked at, or not for as long as its age allows."""
    due, younger = Q(last_look=None), at
    for until, pause in PAUSES:
        due |= Q(created_at__gt=at - until, created_at__lte=younger, last_look__lte=at - pause)
        younger = at - until
    return due | Q(created_at__lte=younger, last_look__lte=at - LATER)


def cancel_unpaid(organization_id: int, at: datetime) -> int:
    """Nothing waits in silence: an order that nobody paid in a week is over, after a day if it holds limited stock, and
    its clinic may offer anew."""
    unpaid = Order.objects.filter(organization_id=organization_id, state=OrderState.QUOTED)
    holding = Q(placed_at__lte=at - RESERVED_FOR, lines__reserved__gt=0)
    due = unpaid.filter(Q(placed_at__lte=at - UNPAID_AFTER) | holding).distinct()
    for order in (found := list(due.order_by("pk")[:BATCH])):
        services.cancel_order(order=order, reason="not_paid", by=audit.system("sweeper"), at=at)
    return len(found)
