"""The same product twice, by two orders of one chart or by one that is on its way: the row says so and is not ticked by itself."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.offers.models import LinkState, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.offers.services import Sent
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.ehr.order_rows import Progress, Row
from ehrcommerce.ehr.twins import marked
from ehrcommerce.policy.packets import DEVICE, ChartOrder, OrderedItem, OrderState
from ehrcommerce.policy.refusals import REFUSALS

METER, STRIPS = Product(pk=1), Product(pk=2)


def row(key: str, product: Product | None = METER, **changes: Any) -> Row:
    order = ChartOrder(OrderedItem(key=key, kind=DEVICE, name=f"Order {key}"), OrderState("1", "", "active"))
    return replace(Row(order, product, None, None, Progress(""), ticked=True, today=True), **changes)


def gone(key: str, state: str, order_state: str = "") -> Sent:
    """An offer of the meter for one order of the chart."""
    offer = Offer(pk=9)
    line = OfferLine(pk=1, order_key=key, product=METER)
    offer._prefetched_objects_cache = {  # type: ignore[attr-defined]
        "orders": [Order(state=order_state)] if order_state else [], "lines": [line],
    }  # fmt: skip
    return Sent(PurchaseLink(state=state, sent_at=timezone.now(), offer=offer), offer)


def told(rows: list[Row], *sent: Sent) -> list[tuple[str, bool]]:
    return [(each.twin[:20], each.ticked) for each in marked(rows, sent)]


def test_two_orders_of_one_product_leave_the_first_one_ticked() -> None:
    assert told([row("a"), row("b"), row("c", STRIPS)]) == [("", True), ("May be ordered twice", False), ("", True)]
    assert "Order a leads to the same product" in marked([row("a"), row("b")], [])[1].twin


@pytest.mark.parametrize(("state", "order_state", "twin"), [
    (LinkState.SENT, "", True), (LinkState.VERIFIED, "", True), (LinkState.COMPLETED, "dispatched", True),
    (LinkState.COMPLETED, "shipped", True), (LinkState.COMPLETED, "delivered", False),
    (LinkState.COMPLETED, "cancelled", False), (LinkState.EXPIRED, "", False), (LinkState.REVOKED, "", False),
])  # fmt: skip
def test_what_another_order_has_on_its_way_is_said(state: str, order_state: str, twin: bool) -> None:
    (found,) = marked([row("new")], [gone("old", state, order_state)])
    assert (bool(found.twin), found.ticked) == (twin, not twin)


def test_the_order_itself_is_no_twin_of_its_own_link() -> None:
    assert told([row("a")], gone("a", LinkState.SENT)) == [("", True)]


def test_what_is_not_sent_anyway_and_what_has_no_product_is_left_alone() -> None:
    refused = row("b", refusal=next(iter(REFUSALS.values())), ticked=False)
    assert told([row("a"), refused, row("c", None)]) == [("", True), ("", False), ("", True)]
