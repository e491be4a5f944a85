"""No prescription is filled more often than its prescriber said, whoever orders at once. [REL-P23]"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from ehrcommerce.commerce.offers.models import OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import errors, services
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.disclosure import extract
from ehrcommerce.policy.digests import as_json, from_json
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.vault import walls
from tests.commerce.shop import CY, HOME, Shop
from tests.disclosure.charts import chart, prescription


def links_to_one(shop: Shop, number: int, *, repeats: str) -> list[PurchaseLink]:
    """Live links to the same prescription: whatever guards the sending was passed by."""
    links = [shop.link(PRESCRIPTION) for _ in range(number)]
    lines = [OfferLine.objects.get(offer=link.offer) for link in links]
    key = lines[0].order_key
    for line in lines:
        line.order_key, line.packet = key, as_json(replace(from_json(line.packet), key=key, repeats=repeats))
        line.save(update_fields=["order_key", "packet"])
    return links


def order(shop: Shop, link: PurchaseLink) -> Order:
    return services.place_order(
        link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
    )


@pytest.mark.parametrize(("repeats", "filled"), [("", 1), ("0", 1), ("2", 3)])
def test_who_orders_at_once_gets_together_what_was_authorized(shop: Shop, repeats: str, filled: int) -> None:
    links = links_to_one(shop, 6, repeats=repeats)

    def buy(link: PurchaseLink) -> bool:
        walls.enter(shop.clinic.pk)
        try:
            return bool(order(shop, link).pk)
        except errors.NoFillLeft:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(buy, links)) == filled
    assert OrderLine.objects.filter(organization=shop.clinic).count() == filled
    spent = PurchaseLink.objects.filter(organization=shop.clinic, state="completed").count()
    assert spent == filled, "who was refused keeps the link"


def test_what_came_to_nothing_is_no_filling_and_what_came_back_is_one(shop: Shop) -> None:
    first, second, third = links_to_one(shop, 3, repeats="0")
    services.cancel_order(order=order(shop, first), reason="patient", by=CY, at=timezone.now())
    kept = order(shop, second)
    for state in ("delivered", "completed", "returned"):
        Order.objects.filter(pk=kept.pk).update(state=state)
        with pytest.raises(errors.NoFillLeft):
            order(shop, third)


def test_a_renewal_is_a_prescription_of_its_own(shop: Shop) -> None:
    (refill,) = links_to_one(shop, 1, repeats="0")
    renewal = shop.link(PRESCRIPTION)
    assert order(shop, refill).pk != order(shop, renewal).pk
    masks = [shop.link(DEVICE), shop.link(DEVICE)]
    OfferLine.objects.filter(offer__in=[link.offer for link in masks]).update(order_key="one-mask")
    assert [bool(order(shop, link).pk) for link in masks] == [True, True]


@pytest.mark.parametrize(("end", "refusal"), [("2000-01-01", "expired"), ("2999-01-01", "")])
def test_a_prescription_past_its_last_day_is_not_filled(end: str, refusal: str) -> None:
    raw = prescription(dispenseRequest={"validityPeriod": {"end": end}, "numberOfRepeatsAllowed": 3})
    assert extract.order(raw, chart()).state.refusal == refusal
