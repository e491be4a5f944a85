"""What comes in several parcels, and what comes later: said, tracked, and never replaced by something else (REL-F14)."""

from datetime import date
from typing import Any

import pytest

from ehrcommerce.commerce.fulfillment.models import FulfillmentLine, Shipment
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.ports import SupplyParcel
from tests.commerce.shop import Shop


def sku_of(order: Order) -> str:
    return order.lines.get().offer_line.sold_as


def late(order: Order) -> list[Any]:
    return list(FulfillmentLine.objects.filter(fulfillment__order=order).values_list("is_late", "expected_on"))


def test_an_order_in_two_parcels_has_two_and_neither_goes_back(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    fulfillment = shop.fulfillment(order)
    both = (SupplyParcel("T-1", "Post", "shipped"), SupplyParcel("T-2", "Post", "delivered"))
    shop.hears(fulfillment, "shipped", parcels=both)
    shop.hears(fulfillment, "delivered", parcels=(SupplyParcel("T-1", "Post", "delivered"), SupplyParcel("T-2")))
    rows = Shipment.objects.filter(fulfillment=fulfillment).order_by("pk")
    assert [(row.tracking_number, row.state, row.delivered_at is not None) for row in rows] == [
        ("T-1", "delivered", True), ("T-2", "delivered", True),
    ]  # fmt: skip
    assert shop.payments.acts == [("capture", 6990)]


@pytest.mark.parametrize(("day", "expected"), [("2026-12-24", date(2026, 12, 24)), ("", None)])
def test_a_backorder_is_said_once_and_charged_once(shop: Shop, day: str, expected: date | None) -> None:
    order = shop.dispatched(PRESCRIPTION)
    fulfillment = shop.fulfillment(order)
    for _ in range(2):
        shop.hears(fulfillment, "accepted", backordered={sku_of(order): day})
        shop.run()
    assert late(order) == [(True, expected)]
    assert shop.events(order).count("backordered") == 1
    assert shop.told().count("news") == 1
    shop.hears(fulfillment, "shipped", backordered={})
    shop.run()
    assert late(order) == [(False, None)]
    assert shop.payments.acts == [("capture", 1480)]


def test_a_backorder_that_is_given_up_is_paid_back(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted", backordered={sku_of(order): ""})
    shop.hears(shop.fulfillment(order), "cancelled")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")
    assert len(shop.pharmacy.placed) == 1
