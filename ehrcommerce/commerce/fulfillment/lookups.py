"""Ids that the box of the back office knows here: of orders, offers, links, parts and payments, in our words and in those of
suppliers and of the payment processor."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q
from django.urls import reverse

from ehrcommerce.accounts.backoffice import EVERYBODY, OPERATIONS
from ehrcommerce.accounts.finding import Found, finder, uuid_in
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment, tracking_digest
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.commerce.orders.models import Order, OrderLine, Payment
from ehrcommerce.vault import walls

MOST = 5


def _order(order: Order, why: str) -> Found:
    return Found(order.number, why, reverse("admin:orders_order_change", args=[order.pk]))


@finder(EVERYBODY)
def orders(text: str) -> Iterator[Found]:
    """As it is said on the phone: small letters are good enough."""
    public_id = uuid_in(text)
    rows = Order.objects.filter(public_id=public_id) if public_id else Order.objects.filter(number=text.upper())
    for order in rows.order_by("-pk")[:MOST]:
        yield _order(order, "an order")


@finder(EVERYBODY)
def parts(text: str) -> Iterator[Found]:
    """What a supplier calls it, our reference there, a parcel's number, or a line."""
    public_id = uuid_in(text)
    which = Q(supplier_reference=text) | (Q(public_id=public_id) if public_id else Q())
    for part in Fulfillment.objects.filter(which).select_related("order").order_by("-pk")[:MOST]:
        yield _order(part.order, "a supplier's part of it")
    number = tracking_digest(walls.current() or 0, text)  # the number itself is sealed
    for parcel in Shipment.objects.filter(tracking_digest=number).select_related("fulfillment__order")[:MOST]:
        yield _order(parcel.fulfillment.order, "a parcel of it")
    lines = OrderLine.objects.filter(public_id=public_id) if public_id else OrderLine.objects.none()
    for line in lines.select_related("order")[:MOST]:
        yield _order(line.order, "a line of it")


@finder(OPERATIONS)
def payments(text: str) -> Iterator[Found]:
    public_id = uuid_in(text)
    which = Q(processor_reference=text) | (Q(public_id=public_id) if public_id else Q())
    for payment in Payment.objects.filter(which).select_related("order").order_by("-pk")[:MOST]:
        yield _order(payment.order, "a payment of it")


@finder(EVERYBODY)
def offers(text: str) -> Iterator[Found]:
    public_id = uuid_in(text)
    if public_id is None:
        return
    named: tuple[tuple[Any, str, str], ...] = (
        (Offer, "an offer", "admin:offers_offer_change"), (PurchaseLink, "a link", "admin:offers_purchaselink_change"),
    )  # fmt: skip
    for model, why, page in named:
        for row in model.objects.filter(public_id=public_id):
            yield Found(str(row), why, reverse(page, args=[row.pk]))
