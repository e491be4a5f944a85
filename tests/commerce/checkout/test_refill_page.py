"""The same again: birth date, code, one button, then the payment; and every other way is open."""

import re

import pytest

from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.orders.models import Fill, Order
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, Shop, words
from tests.commerce.checkout.doubles import Chart


@pytest.fixture
def cy(shop: Shop) -> Cy:
    """A link to the next fill."""
    first, link = shop.offer(), shop.offer()
    with walls.organization(shop.clinic.pk):
        Offer.objects.filter(pk=link.offer.pk).update(after=first.offer)
    return Cy(shop, link)


def press(cy: Cy, **changes: str) -> object:
    page = cy.get("/c/refill/").content.decode()
    fields = dict(re.findall(r'type="hidden" name="(quote|agree_\w+)" value="([0-9a-f]+)"', page))
    return cy.post("/c/refill/", **{**fields, **changes})


def test_after_the_proof_one_press_leads_to_the_payment(cy: Cy) -> None:
    cy.answer()
    assert cy.get("/c/refill/").status_code == 302, "the birth date alone shows nothing"
    assert cy.post("/c/code/", code=cy.shop.outside.code)["Location"] == "/c/refill/"
    shown = words(cy.get("/c/refill/"))
    assert "This is the same as last time." in shown
    assert "Metformin 500 mg tablets" in shown
    assert "Yes, share with Lakeside Pharmacy" in shown
    assert "ship_to" not in Chart.asked, "the address is read when they have pressed"
    assert press(cy)["Location"] == "/c/pay/"  # type: ignore[index]
    page = words(cy.get("/c/pay/"))
    assert "You pay $48.00" in page
    assert "It goes to" in page
    with walls.organization(cy.shop.clinic.pk):
        yes = Consent.objects.select_related("text").get(subject=str(cy.link.offer.public_id))
        assert yes.purpose == "prescription"
        assert all(line in shown for line in yes.text.text.splitlines())
        assert bytes(yes.payload_digest) != b""


def test_a_look_agrees_to_nothing(cy: Cy) -> None:
    cy.prove()
    for _ in range(3):
        cy.get("/c/refill/")
    with walls.organization(cy.shop.clinic.pk):
        assert Consent.objects.count() == 0
        assert CheckoutSession.objects.latest("pk").stage == "check"


@pytest.mark.parametrize("changes", [{"quote": "0" * 64}, {"agree_prescription": "0" * 64}, {"agree_prescription": ""}])
def test_what_was_not_on_the_page_is_not_agreed_to(cy: Cy, changes: dict[str, str]) -> None:
    cy.prove()
    answer = press(cy, **changes)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert "Look at it once more." in words(answer)
    with walls.organization(cy.shop.clinic.pk):
        assert Consent.objects.count() == 0


def test_without_an_address_on_file_it_is_asked(cy: Cy) -> None:
    Chart.home = None
    cy.prove()
    assert press(cy)["Location"] == "/c/where/"  # type: ignore[index]


def test_the_way_with_a_plan_is_open(cy: Cy) -> None:
    cy.prove()
    assert 'href="/c/check/"' in cy.get("/c/refill/").content.decode()
    assert cy.get("/c/check/").status_code == 200
    assert cy.use_plan()["Location"] == "/c/price/"


def test_a_first_order_has_no_such_page(shop: Shop) -> None:
    cy = Cy(shop, shop.offer())
    assert cy.prove()["Location"] == "/c/check/"
    assert cy.get("/c/refill/")["Location"] == "/c/check/"


def test_it_is_there_in_spanish(cy: Cy) -> None:
    cy.prove()
    shown = words(cy.get("/c/refill/?lang=es"))
    assert "Es hora de su resurtido" in shown
    assert "Time for your refill" not in shown


def test_where_no_fill_is_left_nothing_is_ordered_or_charged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another order took the only one; its link was made all the same."""
    first = Cy(shop, shop.offer())
    first.ship()
    first.post("/c/pay/")
    monkeypatch.setattr(offers, "_ordered", lambda *_: [])
    second = Cy(shop, shop.offer())
    second.ship()
    answer = second.post("/c/pay/")
    assert answer.status_code == 409
    assert "No refills are left" in words(answer)
    assert "You were not charged." in words(answer)
    with walls.organization(shop.clinic.pk):
        assert (Order.objects.count(), Fill.objects.count()) == (1, 1)
