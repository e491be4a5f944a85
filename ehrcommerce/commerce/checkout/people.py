"""Whom the privacy officer means: by the number that the patient says on the phone, by an id, or by a phone number or
mail address, which is found by its blind index and never stands in a log."""

from uuid import UUID

from django.core.exceptions import ValidationError

from ehrcommerce.commerce.checkout.rights import NothingHeld
from ehrcommerce.commerce.offers.models import Contact, Offer, contact_digest
from ehrcommerce.commerce.orders.models import Order


def customer_of(*, organization_id: int, order: str = "", offer: str = "", contact: str = "") -> str:
    """The person's opaque key. Raises NothingHeld, also where a contact belongs to several people."""
    keys: set[str] = set()
    if order:
        rows = Order.objects.filter(organization_id=organization_id)
        known = rows.filter(public_id=named) if (named := _uuid(order)) else rows.filter(number=order.strip().upper())
        keys = set(known.values_list("offer__customer_key", flat=True))
    elif named := _uuid(offer):
        offers = Offer.objects.filter(organization_id=organization_id, public_id=named)
        keys = set(offers.values_list("customer_key", flat=True))
    elif contact:
        keys = set(customers_at(organization_id, contact))
    keys.discard("")
    if len(keys) != 1:
        raise NothingHeld
    return keys.pop()


def customers_at(organization_id: int, contact: str) -> list[str]:
    """The keys of everybody who is reached there."""
    digest = contact_digest(organization_id, contact)
    contacts = Contact.objects.filter(organization_id=organization_id, value_digest=digest).exclude(value_digest=b"")
    return sorted(set(contacts.values_list("offer__customer_key", flat=True)) - {""})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, ValidationError):
        return None
