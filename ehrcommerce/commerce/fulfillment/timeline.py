"""One order as an operator reads it: everything that happened, from the link to the parcel, in order; and which effects
belong to which order. Codes and SKUs only. Reads by the index of effects: kind and exact subject."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from ehrcommerce.accounts.words import title
from ehrcommerce.commerce.fulfillment.models import Fulfillment, PharmacistQuestion
from ehrcommerce.commerce.fulfillment.telling import ORDER_NAMES, PARCEL_NAMES
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order, OrderLine, Payment
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox.models import OPEN, Effect, Note, State

PAYMENT_KINDS = ("payment.open", "payment.look", "payment.capture", "payment.void", "payment.refund", "payment.compare")
PARCEL_KINDS = (
    "fulfillment.dispatch",
    "fulfillment.look",
    "fulfillment.look_parcel",
    "fulfillment.track",
    "fulfillment.cancel",
    "fulfillment.attention",
    "fulfillment.doubles",
    "fulfillment.return",
)
ORDER_KINDS = ("fulfillment.recheck", "fulfillment.untold")
ANSWER_KIND = "fulfillment.answer"
# What returns by itself as long as a parcel is on its way: no sign of trouble.
ROUTINE = "fulfillment.track"


@dataclass(frozen=True, slots=True)
class Moment:
    """`what` is LINK, ORDER or EFFECT; `effect_id` leads to the effect."""

    at: datetime
    what: str
    happened: str
    detail: str = ""
    by: str = ""
    effect_id: int = 0


def effects_of(order: Order) -> QuerySet[Effect]:
    """Every effect that belongs to this order: its own, its links', its payments', its fulfillments' and its lines'."""
    order_id = str(order.public_id)
    links = _ids(PurchaseLink.objects.filter(offer_id=order.offer.pk).values_list("public_id", flat=True))
    payments = _ids(Payment.objects.filter(order=order).values_list("public_id", flat=True))
    parcels = _ids(Fulfillment.objects.filter(order=order).values_list("public_id", flat=True))
    lines = _ids(OrderLine.objects.filter(order=order).values_list("public_id", flat=True))
    asked = _ids(PharmacistQuestion.objects.filter(fulfillment__order=order).values_list("public_id", flat=True))
    news = [f"o:{order_id}:{name}" for name in set(ORDER_NAMES)]
    news += [f"f:{parcel}:{name}" for parcel in parcels for name in set(PARCEL_NAMES)]
    reports = [f"{line}:{state}" for line in lines for state in OrderState.values]
    return Effect.objects.filter(
        Q(kind="offers.link", subject__in=links)
        | Q(kind__in=PAYMENT_KINDS, subject__in=payments)
        | Q(kind__in=PARCEL_KINDS, subject__in=parcels)
        | Q(kind=ANSWER_KIND, subject__in=asked)
        | Q(kind__in=ORDER_KINDS, subject=order_id)
        | Q(kind="fulfillment.notify", subject__in=news)
        | Q(kind="chart.report", subject__in=reports),
        organization_id=order.organization_id,
    ).order_by("id")


def waiting(order: Order) -> list[Effect]:
    """What Retry looks at: open or given to a person. The routine question after a parcel is not among them."""
    found = effects_of(order).filter(state__in=(*OPEN, State.NEEDS_HUMAN))
    return [effect for effect in found if effect.kind != ROUTINE or effect.state == State.NEEDS_HUMAN]


def order_of(effect: Effect) -> Order | None:
    """The order that an effect belongs to; of a link the newest, None where nothing was ordered yet."""
    subject = _plain(effect)
    if subject is None:
        return None
    orders = Order.objects.filter(organization_id=effect.organization_id)
    if effect.kind in PAYMENT_KINDS:
        return orders.filter(payments__public_id=subject).first()
    if effect.kind == "offers.link":
        return orders.filter(offer__links__public_id=subject).order_by("-pk").first()
    if effect.kind == ANSWER_KIND:
        return orders.filter(fulfillments__questions__public_id=subject).first()
    if effect.kind == "chart.report":
        return orders.filter(lines__public_id=subject).first()
    if effect.kind in ORDER_KINDS or effect.subject.startswith("o:"):
        return orders.filter(public_id=subject).first()
    return orders.filter(fulfillments__public_id=subject).first()


def timeline(order: Order) -> list[Moment]:
    """What happened, oldest first."""
    moments = [moment for link in PurchaseLink.objects.filter(offer_id=order.offer.pk) for moment in _of_link(link)]
    moments += [
        Moment(event.at, "ORDER", event.code.replace("_", " "), event.detail, event.actor)
        for event in order.events.order_by("pk")
    ]
    notes = Note.objects.filter(effect__in=effects_of(order)).select_related("effect").order_by("pk")
    moments += [
        Moment(
            note.at,
            "EFFECT",
            f"{title(note.effect.kind)}: {note.state.replace('_', ' ')}",
            note.code,
            note.actor,
            note.effect.pk,
        )
        for note in notes
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _of_link(link: PurchaseLink) -> Iterable[Moment]:
    steps = (
        ("sent", link.sent_at), ("delivered", link.delivered_at), ("opened", link.opened_at),
        ("identity proven", link.verified_at), ("ended", link.ended_at),
    )  # fmt: skip
    return [Moment(at, "LINK", what, link.end_reason if what == "ended" else "") for what, at in steps if at]


def _plain(effect: Effect) -> UUID | None:
    """The id in a subject: `<id>`, `o:<id>:<name>`, `f:<id>:<name>` or `<id>:<state>`."""
    for part in effect.subject.split(":"):
        if len(part) == 36:
            return UUID(part)
    return None


def _ids(public_ids: Iterable[UUID]) -> list[str]:
    return [str(public_id) for public_id in public_ids]
