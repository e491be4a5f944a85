"""Two things at the same moment: the row decides, and the end is the same as if one had come first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import services as fulfillment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.vault import walls
from tests.commerce.shop import CY, HOME, Shop


def at_once(shop: Shop, *acts: Callable[[], Any]) -> list[Any]:
    """Run all acts in threads of their own that start together."""
    together = Barrier(len(acts))

    def hand(act: Callable[[], Any]) -> Any:
        try:
            walls.enter(shop.clinic.pk)
            together.wait(10)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(hand, acts))


def test_ten_hands_that_order_make_one_order(shop: Shop) -> None:  # REL-P7
    link = shop.link(PRESCRIPTION)
    quote = shop.quote(link)

    def order() -> int:
        return orders.place_order(link=link, quote=quote, ship_to=HOME, language="en", by=CY, at=timezone.now()).pk

    assert len(set(at_once(shop, *[order] * 10))) == 1


def test_ten_hands_that_pay_open_one_session(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    at_once(shop, *[lambda: orders.start_payment(order=order, by=CY, at=timezone.now())] * 10)
    assert len(shop.payments.sessions) == 1


def test_ten_looks_authorize_once(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION, DEVICE)
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized")
    at_once(shop, *[lambda: orders.look_at_payment(payment=payment, at=timezone.now())] * 10)
    assert shop.events(order).count("payment_authorized") == 1
    assert len(shop.fulfillments(order)) == 2


@pytest.mark.parametrize("seed", range(8))
def test_cancelled_while_it_is_being_sent(shop: Shop, seed: int) -> None:  # REL-P20
    order = shop.authorized(PRESCRIPTION)
    dispatch = str(shop.effect("fulfillment.dispatch").public_id)
    sending = [lambda: outbox.run(dispatch)]
    cancelling = [lambda: orders.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())]
    at_once(shop, *(sending + cancelling if seed % 2 else cancelling + sending))
    shop.later()
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert len(shop.pharmacy.placed) <= 1
    for placed in shop.pharmacy.orders.values():
        assert placed.state == "cancelled"  # what had gone was asked back


@pytest.mark.parametrize("seed", range(4))
def test_both_suppliers_answer_at_once_and_the_money_is_taken_once(shop: Shop, seed: int) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    first, second = shop.fulfillments(order)
    for one in (first, second):
        shop.adapter_of(one.supplier).says(one.public_id, "accepted")
    at_once(shop, lambda: shop.look(first), lambda: shop.look(second))
    shop.run()
    assert shop.payments.acts == [("capture", 1480 + 6990)]
    assert shop.fresh(order).state == "accepted"


def test_the_chart_speaks_while_it_is_being_sent(shop: Shop) -> None:  # design law 7
    order = shop.authorized(PRESCRIPTION)
    (key,) = OfferLine.objects.filter(offer=order.offer).values_list("order_key", flat=True)
    dispatch = str(shop.effect("fulfillment.dispatch").public_id)
    shop.chart.refuse(key, "not_active")
    at_once(
        shop,
        lambda: outbox.run(dispatch),
        lambda: fulfillment.hear(organization_id=shop.clinic.pk, order_keys=[key], at=timezone.now()),
    )
    shop.later()
    shop.run()
    assert shop.pharmacy.placed == []
    assert Order.objects.get(pk=order.pk).state == "cancelled"
