"""Nothing is sold for nothing: a price that a feed left empty, or set to zero, sells no product. [REL-F56]"""

from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import services
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.policy.packets import DEVICE, ChartOrder, Coding, OrderedItem, OrderState
from tests.commerce.offers.test_links import PHONE, recipient
from tests.commerce.shop import Shop

BY = Actor("user", "feed")
ITEM = OrderedItem(key="k", kind=DEVICE, name="mask", codings=(Coding("urn:x", "A7034"),))


def feed(shop: Shop, *prices: int | None) -> int:
    """One row for each price: MASK-0, MASK-1, ..."""
    rows: list[dict[str, Any]] = [
        {"sku": f"MASK-{number}", "kind": DEVICE, "name_en": "Mask", "name_es": "Mascara", "price_cents": price,
         "codes": [("urn:x", "A7034", "mask")] if number == 0 else []}
        for number, price in enumerate(prices)
    ]  # fmt: skip
    return services.load_products(shop.clinic, rows, by=BY, at=timezone.now())


@pytest.mark.parametrize("price", [None, 0])
def test_an_empty_or_zero_price_sells_nothing(shop: Shop, price: int | None) -> None:
    feed(shop, 4900)
    assert services.match(ITEM, organization_id=shop.clinic.pk).sold
    feed(shop, price)
    found = services.match(ITEM, organization_id=shop.clinic.pk)
    assert (found.refusal, found.sold) == ("no_price", False)
    order = ChartOrder(ITEM, OrderState("1", "", "active"))
    with pytest.raises(offers.NothingChosen):
        offers.make_offer(
            lines=[offers.NewLine(order, Product.objects.get(organization=shop.clinic, sku="MASK-0"))],
            recipient=recipient(), send_to=PHONE, by=shop.ada, at=timezone.now(),
        )  # fmt: skip


def test_an_empty_feed_changes_no_price_and_half_a_bad_one_none_at_all(shop: Shop) -> None:
    feed(shop, 4900, 5900)
    assert feed(shop) == 0
    with pytest.raises(DatabaseError), transaction.atomic():
        feed(shop, 100, -1)
    rows = Product.objects.filter(organization=shop.clinic).order_by("sku")
    assert [row.price_cents for row in rows] == [4900, 5900]
