"""What a person may ask of us: all that we hold of them, and that it be erased. [SEC 2.4]

To erase is to blank the columns and destroy the order's key, in one transaction. What proves and counts stays: audit,
receipts with digests, books, and a skeleton without a name. An order that is open and a legal hold come first; then the
request waits, and says for what."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout.forgetting import tell_partners
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.checkout.services import forget as forget_session
from ehrcommerce.commerce.fulfillment import erasing, forgetting
from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion, Shipment
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, Helper, LinkState, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import holds, retention
from ehrcommerce.disclosure.models import ErasureRequest
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.vault import envelopes

OPEN_ORDER, LEGAL_HOLD = "open_order", "legal_hold"


class NothingHeld(Exception):
    """Nothing is held of this person here. Check the number, or the phone or mail address."""


def offers_of(organization_id: int, customer_key: str) -> list[Offer]:
    """All offers of one person, oldest first."""
    return list(Offer.objects.filter(organization_id=organization_id, customer_key=customer_key).order_by("pk"))


def ask_to_erase(*, organization_id: int, customer_key: str, reason: str, by: Actor, at: datetime) -> ErasureRequest:
    """Erase now what may be erased, and note what has to wait. Asked twice, it is one request. Raises NothingHeld."""
    if not customer_key or not offers_of(organization_id, customer_key):
        raise NothingHeld
    with transaction.atomic():
        try:
            with transaction.atomic():
                request = ErasureRequest.objects.create(
                    organization_id=organization_id, customer_key=customer_key, asked_by=str(by), asked_at=at,
                    reason=reason,
                )  # fmt: skip
                _audit(request, "erasure.asked", by, at, reason)
        except IntegrityError:
            request = ErasureRequest.objects.get(
                organization_id=organization_id, customer_key=customer_key, done_at=None
            )
        settle(request, by=by, at=at)
    return request


def settle_waiting(organization_id: int, at: datetime) -> int:
    """The chore: requests whose order has ended or whose hold was released meanwhile."""
    done = 0
    for request in ErasureRequest.objects.filter(organization_id=organization_id, done_at=None).order_by("pk")[:50]:
        with transaction.atomic():
            done += settle(request, by=audit.system("erasure"), at=at)
    return done


def settle(request: ErasureRequest, *, by: Actor, at: datetime) -> bool:
    """Erase each offer that nothing holds. True once nothing is left to wait for."""
    waits = ""
    if holds.standing(request.organization_id, at).filter(customer_key=request.customer_key).exists():
        waits = LEGAL_HOLD
    else:
        for offer in offers_of(request.organization_id, request.customer_key):
            waits = _erase_offer(offer, by=by, at=at) or waits
    if not waits:
        _erase_elsewhere(request)
        request.done_at = at
        _audit(request, "erasure.done", by, at, "")
    elif waits != request.waits_for:
        _audit(request, "erasure.waits", by, at, waits)
    request.waits_for = waits
    request.save(update_fields=["waits_for", "done_at"])
    return not waits


def _erase_offer(offer: Offer, *, by: Actor, at: datetime) -> str:
    """Why not, or "" once it is erased."""
    erasing.lock_orders(Order.objects.filter(offer=offer))
    orders = list(Order.objects.filter(offer=offer))
    if any(order.state not in erasing.ENDED or order.money in erasing.MONEY_OPEN for order in orders):
        return OPEN_ORDER
    if _under_way(offer, orders):
        return OPEN_ORDER
    counts = _blank(offer, orders, at)
    if envelopes.destroy(offer.public_id, at=at) or counts:
        told = sum(forgetting.tell_suppliers(order, at=at) for order in orders) + tell_partners(offer, at=at)
        audit.record(
            organization_id=offer.organization_id, by=by, action="patient.erased", entity=f"offer:{offer.public_id}",
            at=at, customer_key=offer.customer_key, reason=f"rows:{sum(counts.values())} told:{told}",
        )  # fmt: skip
    return ""


def _under_way(offer: Offer, orders: Iterable[Order]) -> bool:
    """Whether something about it is on its way to the outside, with bytes that must come to an end first."""
    subjects = {str(link.public_id) for link in offer.links.all()}
    for order in orders:
        subjects |= {str(order.public_id), *(str(part.public_id) for part in order.fulfillments.all())}
        subjects |= {str(payment.public_id) for payment in order.payments.all()}
        asked = PharmacistQuestion.objects.filter(fulfillment__order=order).values_list("public_id", flat=True)
        subjects |= {str(public_id) for public_id in asked}
    rows = Effect.objects.filter(organization_id=offer.organization_id, state__in=OPEN, subject__in=subjects)
    return rows.filter(Q(request_sha256__isnull=False)).exists()


def _blank(offer: Offer, orders: list[Order], at: datetime) -> Counter[str]:
    counts: Counter[str] = Counter()
    for contact in Contact.objects.filter(offer=offer).exclude(masked="", value_digest=b""):
        erasing.blank_contact(contact)
        counts["contacts"] += 1
    for helper in Helper.objects.filter(offer=offer):
        if helper.__dict__["name"]:
            erasing.blank_helper(helper)
            counts["helpers"] += 1
    for row, field in (
        *((line, "packet") for line in OfferLine.objects.filter(offer=offer)),
        *((order, "ship_to") for order in orders),
    ):
        if row.__dict__[field]:
            setattr(row, field, {})
            row.save(update_fields=[field])
            counts[field] += 1
    for parcel in Shipment.objects.filter(fulfillment__order__in=orders):
        if parcel.__dict__["tracking_number"]:
            parcel.tracking_number = ""
            parcel.save(update_fields=["tracking_number"])
            counts["parcels"] += 1
    for question in PharmacistQuestion.objects.filter(fulfillment__order__in=orders):
        if question.__dict__["words"] or question.__dict__["answer_words"]:
            erasing.blank_question(question)
            counts["questions"] += 1
    for session in CheckoutSession.objects.filter(link__offer=offer, ended_at=None):
        forget_session(session, at)
        counts["sessions"] += 1
    counts["digests"] += (
        Offer.objects.filter(pk=offer.pk)
        .exclude(birth_digest=b"")
        .update(birth_digest=b"", family_digest=b"", postal_digest=b"")
    )
    PurchaseLink.objects.filter(offer=offer, state__in=(LinkState.DRAFT, LinkState.COMPLETED, *LIVE_LINK)).update(
        state=LinkState.REVOKED, ended_at=at, end_reason="erased"
    )
    return +counts


def _erase_elsewhere(request: ErasureRequest) -> None:
    """What other rooms hold of the person: the ways back into the chart."""
    lines = OfferLine.objects.filter(offer__customer_key=request.customer_key)
    keys = frozenset(lines.values_list("order_key", flat=True))
    for forget in retention.FORGETTERS.values():
        forget(request.organization_id, request.customer_key, keys)


def _audit(request: ErasureRequest, action: str, by: Actor, at: datetime, reason: str) -> None:
    audit.record(
        organization_id=request.organization_id, by=by, action=action, entity=f"erasure:{request.public_id}", at=at,
        reason=reason, customer_key=request.customer_key,
    )  # fmt: skip
