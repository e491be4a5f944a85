"""A patient whose link ended asks for a new one: the clinician reads it in the list of links, and one press leads to the orders,
ticked."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers.models import LinkState, Offer, PurchaseLink
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.policy.packets import DEVICE
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop
from tests.ehr.fake_ehr import FakeEhr, running
from tests.ehr.test_yes_taken_back import Chair

__all__ = ["commits", "shop", "transactional_db"]


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with running() as made:
        yield made


@pytest.mark.parametrize(("state", "asks", "leads"), [
    (LinkState.EXPIRED, True, True), (LinkState.LOCKED, True, True), (LinkState.EXPIRED, False, False),
    (LinkState.SUPERSEDED, True, False),
])  # fmt: skip
def test_the_list_of_links_says_so_and_leads_to_the_orders(
    shop: Shop, ehr: FakeEhr, state: str, asks: bool, leads: bool
) -> None:
    ada = Chair(shop, ehr)
    link = shop.link(DEVICE, state=LinkState.SENT)
    PurchaseLink.objects.filter(pk=link.pk).update(state=state, asked_again_at=timezone.now() if asks else None)
    key = chart_key(ada.connection.public_id, "Patient", "cy-1")
    Offer.objects.filter(pk=link.offer_id).update(customer_key=key)
    page = ada.ask("get", "").content.decode()
    order = link.offer.lines.get().order_key
    assert (f'?order={order}">Send a new link</a>' in page) is leads
    assert ("The patient asks for a new link" in page) is asks
