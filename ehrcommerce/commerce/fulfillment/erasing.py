"""What is erased when an order is over, each value after the time that its row of the table gives. It stands in the room
that knows both the offer and what became of it; the app's retention runs these and audits how many rows lost a value."""

from datetime import datetime, timedelta

from django.db.models import F, Func, IntegerField, Q, QuerySet

from ehrcommerce.commerce.fulfillment.models import Shipment
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import OrderState

ADDRESS_KEPT, CONTACT_KEPT, PACKET_KEPT = timedelta(days=14), timedelta(days=7), timedelta(days=30)
ENDED = (OrderState.COMPLETED, OrderState.CANCELLED, OrderState.REFUSED, OrderState.RETURNED)
BATCH = 100


def erase_addresses(organization_id: int, at: datetime) -> int:
    """Where parcels went, and by which number they were followed."""
    ended = Order.objects.filter(organization_id=organization_id, state__in=ENDED, changed_at__lte=at - ADDRESS_KEPT)
    orders = list(ended.annotate(held=_size("ship_to")).filter(held__gt=0).order_by("pk")[:BATCH])
    for order in orders:
        order.ship_to = {}
        order.save(update_fields=["ship_to"])
    numbers = Shipment.objects.filter(organization_id=organization_id, fulfillment__order__in=ended)
    parcels = list(numbers.annotate(held=_size("tracking_number")).filter(held__gt=0).order_by("pk")[:BATCH])
    for parcel in parcels:
        parcel.tracking_number = ""
        parcel.save(update_fields=["tracking_number"])
    return len(orders) + len(parcels)


def erase_contacts(organization_id: int, at: datetime) -> int:
    """Phone numbers and e-mail addresses that nothing is sent to any more (the table's CONTACT_KEPT)."""
    over = _over(organization_id, at - CONTACT_KEPT)
    found = Contact.objects.filter(organization_id=organization_id, offer__in=over)
    contacts = list(found.annotate(held=_size("value")).filter(held__gt=0).order_by("pk")[:BATCH])
    for contact in contacts:
        contact.value, contact.masked = "", ""
        contact.save(update_fields=["value", "masked"])
    return len(contacts)


def erase_packets(organization_id: int, at: datetime) -> int:
    """What was ordered, in the chart's words (the table's OFFER). Digest, product and price stay: proof and money."""
    over = _over(organization_id, at - PACKET_KEPT)
    found = OfferLine.objects.filter(organization_id=organization_id, offer__in=over)
    lines = list(found.annotate(held=_size("packet")).filter(held__gt=0).order_by("pk")[:BATCH])
    for line in lines:
        line.packet = {}
        line.save(update_fields=["packet"])
    return len(lines)


def _over(organization_id: int, before: datetime) -> QuerySet[Offer]:
    """Offers of which nothing goes on: no live link, and no order that is open or ended later than `before`."""
    offers = Offer.objects.filter(organization_id=organization_id, created_at__lte=before)
    live = PurchaseLink.objects.filter(Q(state__in=LIVE_LINK) | Q(ended_at__gt=before))
    open_orders = Order.objects.filter(~Q(state__in=ENDED) | Q(changed_at__gt=before))
    return offers.exclude(pk__in=live.values("offer_id")).exclude(pk__in=open_orders.values("offer_id"))


def _size(column: str) -> Func:
    """How long a sealed value is: all that may be asked of it without opening it."""
    return Func(F(column), function="octet_length", output_field=IntegerField())
