"""What belongs to one order or offer, as the audit names things: so that one command can say who saw it."""

from collections.abc import Iterable
from uuid import UUID

from ehrcommerce.audit.traces import Trace
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.fulfillment.models import Fulfillment, PharmacistQuestion
from ehrcommerce.commerce.offers.models import Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order, OrderLine, Payment
from ehrcommerce.disclosure.models import Consent, Disclosure
from ehrcommerce.outbox.models import Effect


def of_order(organization_id: int, name: str) -> Trace | None:
    """By public id, or by the number that is said on the phone."""
    orders = Order.objects.filter(organization_id=organization_id)
    key = _uuid(name)
    order = orders.filter(public_id=key).first() if key else orders.filter(number=name.upper()).first()
    return _of(order.offer) if order else None


def of_offer(organization_id: int, name: str) -> Trace | None:
    key = _uuid(name)
    offer = Offer.objects.filter(organization_id=organization_id, public_id=key).first() if key else None
    return _of(offer) if offer else None


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _of(offer: Offer) -> Trace:
    """Everything that hangs on the offer: one offer is one purchase, however often its link was made again."""
    subject, clinic = str(offer.public_id), offer.organization_id
    lines = OrderLine.objects.filter(order__offer=offer)
    named: dict[str, Iterable[UUID | str]] = {
        "offer": [offer.public_id],
        "order": [
            *Order.objects.filter(offer=offer).values_list("public_id", flat=True),
            # The door names an order of the chart by its key, cut to what the column holds.
            *OfferLine.objects.filter(offer=offer).values_list("order_key", flat=True),
        ],
        "link": PurchaseLink.objects.filter(offer=offer).values_list("public_id", flat=True),
        "checkout": CheckoutSession.objects.filter(link__offer=offer).values_list("public_id", flat=True),
        "payment": Payment.objects.filter(order__offer=offer).values_list("public_id", flat=True),
        "line": lines.values_list("public_id", flat=True),
        "fulfillment": Fulfillment.objects.filter(order__offer=offer).values_list("public_id", flat=True),
        "question": PharmacistQuestion.objects.filter(fulfillment__order__offer=offer).values_list(
            "public_id", flat=True
        ),
        "consent": Consent.objects.filter(organization_id=clinic, subject=subject).values_list("public_id", flat=True),
        "helper": offer.helpers.values_list("public_id", flat=True),
        "disclosure": Disclosure.objects.filter(organization_id=clinic, subject=subject).values_list(
            "public_id", flat=True
        ),
    }
    subjects = {str(one) for ids in named.values() for one in ids}
    effects = Effect.objects.filter(organization_id=clinic, subject__in=subjects).values_list("public_id", flat=True)
    entities = {f"{kind}:{one}"[:80] for kind, ids in named.items() for one in ids}
    # Pages of the back office name some rows by the word of their model.
    entities |= {f"purchaselink:{one}" for one in named["link"]} | {f"effect:{one}" for one in effects}
    return Trace(frozenset(entities), offer.customer_key)
