"""From the promise of money to the orders at suppliers: begin, cancel, and what to do when the EHR says "look
again"."""

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import payloads, progress, receipting
from ehrcommerce.commerce.fulfillment.models import Fulfillment, FulfillmentLine
from ehrcommerce.commerce.offers.models import LIVE_LINK, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import money, moves
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import FINAL, OrderState
from ehrcommerce.disclosure import consent
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import NoSupplier

DISPATCH_WITHIN = timedelta(hours=48)


def begin(order: Order, at: datetime) -> list[Fulfillment]:
    """One fulfillment for each kind of line, at a supplier that is licensed where the parcel goes; twice is once.

    In the transaction that authorized the order, under its lock. Lines that nobody may fill are refused.
    """
    if begun := list(Fulfillment.objects.filter(order=order, state__in=money.NOT_SENT)):
        for fulfillment in begun:  # paid anew after the hold had lapsed: what waited for that goes on now
            outbox.plan_next(
                kind="fulfillment.dispatch", subject=str(fulfillment.public_id), organization_id=order.organization_id,
                at=at, deadline_at=at + DISPATCH_WITHIN,
            )  # fmt: skip
        return []
    if Fulfillment.objects.filter(order=order).exists():
        return []
    lines = (
        OrderLine.objects.filter(order=order).select_related("offer_line__product").order_by("offer_line__kind", "pk")
    )
    made = []
    for kind, group in groupby(lines, key=lambda line: line.offer_line.kind):
        members = list(group)
        supplier = _supplier(order, kind, at)
        if supplier is None:
            OrderLine.objects.filter(pk__in=[line.pk for line in members]).update(accepted=False)
            moves.move(order, code=Code.REFUSED, detail=f"{kind}:no_supplier", by=progress.system(), at=at)
        else:
            made.append(_make(order, kind, members, supplier, at))
    if not made:
        moves.move(order, state=OrderState.REFUSED, by=progress.system(), at=at)
        money.settle(order, at=at)
    return made


def _supplier(order: Order, kind: str, at: datetime) -> Supplier | None:
    try:
        return chosen.choose(
            organization_id=order.organization_id, port=payloads.PORT_OF[kind], at=at, state=order.ship_to["state"]
        )
    except NoSupplier:
        return None


def _make(order: Order, kind: str, lines: list[OrderLine], supplier: Supplier, at: datetime) -> Fulfillment:
    fulfillment = Fulfillment(
        organization_id=order.organization_id, order=order, supplier=supplier, kind=kind, changed_at=at
    )
    request = payloads.request_for(order, lines, kind=kind, reference=str(fulfillment.public_id))
    fulfillment.payload_digest = payloads.digest(request)
    fulfillment.save()
    for line in lines:
        FulfillmentLine.objects.create(organization_id=order.organization_id, fulfillment=fulfillment, order_line=line)
    receipting.receipt(fulfillment, at=at)
    outbox.plan(
        kind="fulfillment.dispatch", subject=str(fulfillment.public_id), organization_id=order.organization_id, at=at,
        deadline_at=at + DISPATCH_WITHIN,
    )  # fmt: skip
    return fulfillment


@transaction.atomic
def hear(
    *, organization_id: int, order_keys: Collection[str], at: datetime, customer_keys: Collection[str] = (),
    look_at: datetime | None = None,
) -> int:  # fmt: skip
    """The EHR says that something about these orders of the chart, or about these people, changed: a hint. From now on no
    older check counts (design law 7), and each purchase and each living link of them is read again, not before `look_at`.
    Returns how many purchases. Call inside the walls."""
    theirs = OfferLine.objects.filter(organization_id=organization_id).filter(
        Q(order_key__in=order_keys) | Q(offer__customer_key__in=customer_keys)
    )
    found = Order.objects.filter(organization_id=organization_id, lines__offer_line__in=theirs).exclude(state__in=FINAL)
    keys = sorted(set(found.values_list("pk", flat=True)))
    for key in keys:
        order = moves.lock(key)
        order.event_at = at
        order.save(update_fields=["event_at"])
        outbox.plan_next(
            kind="fulfillment.recheck", subject=str(order.public_id), organization_id=organization_id, at=at,
            run_at=look_at, even_if_running=True,
        )  # fmt: skip
    links = PurchaseLink.objects.filter(
        organization_id=organization_id, state__in=LIVE_LINK, offer__in=theirs.values("offer_id")
    )
    for link in links.order_by("pk"):
        outbox.plan_next(
            kind="fulfillment.relook", subject=str(link.public_id), organization_id=organization_id, at=at,
            run_at=look_at, even_if_running=True,
        )  # fmt: skip
    return len(keys)


@transaction.atomic
def withdraw_consent(*, order: Order, supplier: Supplier, by: Actor, at: datetime, reason: str = "") -> bool:
    """The patient takes a yes back: nothing more goes to this supplier, and what has not left it is asked back (J8).

    Returns whether there was a yes. Money follows by itself; what the supplier already has stays in the receipts.
    """
    locked = moves.lock(order.pk)
    taken = consent.withdraw(
        organization_id=locked.organization_id,
        subject=str(locked.offer.public_id),
        recipient=supplier.party,
        by=by,
        at=at,
        reason=reason,
    )
    mine = Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier")
    for fulfillment in mine.filter(order=locked, supplier=supplier):
        progress.stop(locked, fulfillment, "consent_withdrawn", code="", by=by, at=at)
    return bool(taken)


@transaction.atomic
def withdraw_for(*, offer: Offer, by: Actor, at: datetime, recipient: str = "", reason: str = "") -> int:
    """The patient told the clinic that they take their yes back: to one recipient of this purchase, or to everybody.
    Returns how many there were; what each part does then is what it does when the patient presses it."""
    clinic, subject = offer.organization_id, str(offer.public_id)
    live = consent.live(organization_id=clinic, subject=subject, recipient=recipient)
    ids = {one.recipient.removeprefix("supplier:") for one in live if one.recipient.startswith("supplier:")}
    suppliers = list(Supplier.objects.filter(organization_id=clinic, public_id__in=ids).order_by("pk"))
    for order in Order.objects.filter(offer=offer).order_by("pk"):
        for supplier in suppliers:
            withdraw_consent(order=order, supplier=supplier, by=by, at=at, reason=reason)
    consent.withdraw(organization_id=clinic, subject=subject, recipient=recipient, by=by, at=at, reason=reason)
    return len(live)
