"""All that is held of one person, gathered once for every form in which they may take it along."""

from typing import Any

from ehrcommerce.commerce.checkout.rights import NothingHeld, offers_of
from ehrcommerce.commerce.fulfillment.models import Shipment
from ehrcommerce.commerce.offers.models import Contact, OfferLine
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure.bundle import Held, HeldItem, HeldOrder
from ehrcommerce.disclosure.consent import standing_subject
from ehrcommerce.disclosure.models import Consent, Disclosure
from ehrcommerce.vault.keys import Destroyed


def gather(*, organization_id: int, customer_key: str, clinic: str, language: str = "en") -> Held:
    """Raises NothingHeld. Values that were erased are left out."""
    offers = offers_of(organization_id, customer_key) if customer_key else []
    if not offers:
        raise NothingHeld
    lines = OfferLine.objects.filter(offer__in=offers).select_related("product").order_by("pk")
    contacts = [(row.channel, _open(row, "value")) for row in Contact.objects.filter(offer__in=offers).order_by("pk")]
    subjects = [str(offer.public_id) for offer in offers]
    agreed = [*subjects, standing_subject(customer_key)]
    return Held(
        clinic=clinic,
        contacts=list(dict.fromkeys(contact for contact in contacts if contact[1])),
        items=[
            HeldItem(str(line.public_id), line.kind, _open(line, "packet") or {}, line.name(language)) for line in lines
        ],
        orders=[_order(order) for order in Order.objects.filter(offer__in=offers).order_by("pk")],
        consents=list(Consent.objects.filter(organization_id=organization_id, subject__in=agreed).order_by("pk")),
        receipts=list(Disclosure.objects.filter(organization_id=organization_id, subject__in=subjects).order_by("pk")),
    )


def _order(order: Order) -> HeldOrder:
    parcels = Shipment.objects.filter(fulfillment__order=order).order_by("pk")
    return HeldOrder(
        str(order.public_id), order.number, order.state, order.placed_at, order.currency, order.patient_cents,
        _open(order, "ship_to") or {}, [number for parcel in parcels if (number := _open(parcel, "tracking_number"))],
    )  # fmt: skip


def _open(row: Any, name: str) -> Any:
    """The value; nothing where its key was destroyed."""
    try:
        return getattr(row, name)
    except Destroyed:
        return None
