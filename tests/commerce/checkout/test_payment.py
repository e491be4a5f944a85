"""One order and one charge, however often a button is pressed; what a browser says is never proof."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import translation

from ehrcommerce.commerce.catalog.models import Product, ShippingRule, TaxRule
from ehrcommerce.commerce.checkout import quotes
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.commerce.orders.pricing import Quote, QuoteLine
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import EligibilityAnswer
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import EMAIL, METER, Cy, Shop, words
from tests.commerce.checkout.doubles import Chart


def orders(cy: Cy) -> list[Order]:
    with walls.organization(cy.shop.clinic.pk):
        return list(Order.objects.order_by("pk"))


def payments(cy: Cy) -> list[Payment]:
    with walls.organization(cy.shop.clinic.pk):
        return list(Payment.objects.select_related("order").order_by("pk"))


def test_paying_leads_to_the_hosted_page_which_the_policy_names(cy: Cy) -> None:
    cy.ship()
    page = cy.get("/c/pay/")
    assert "You pay $48.00" in words(page)
    assert "form-action 'self' https://pay.example;" in page.headers["Content-Security-Policy"]
    assert "pay.example" not in cy.get("/c/where/").headers["Content-Security-Policy"]
    answer = cy.post("/c/pay/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://pay.example/p/1")


def test_the_processor_learns_a_reference_and_a_sum_and_nothing_else(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    ((reference, session),) = cy.shop.outside.processor.sessions.items()
    assert reference == str(payments(cy)[0].public_id)
    assert session.amount_cents == 4800


def test_pressing_pay_twice_makes_one_order_and_one_payment(cy: Cy) -> None:
    cy.ship()
    for _ in range(3):
        assert cy.post("/c/pay/").headers["Location"] == "https://pay.example/p/1"
    assert len(orders(cy)) == len(payments(cy)) == 1


def test_two_presses_at_once_make_one_order_and_one_payment(cy: Cy) -> None:
    cy.ship()
    cookie, shown = cy.browser.cookies["__Host-checkout"].value, cy.quote("/c/pay/")

    def press(_: int) -> int:
        browser = Client()
        browser.cookies["__Host-checkout"] = cookie
        try:
            return browser.post("/c/pay/", {"quote": shown}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(press, range(2))) == {303}
    assert len(orders(cy)) == len(payments(cy)) == 1


def test_a_second_phone_sees_the_same_order(cy: Cy) -> None:
    second = Cy(cy.shop, cy.link)
    cy.ship()
    second.ship()
    cy.post("/c/pay/")
    assert second.get("/c/price/").headers["Location"] == "/c/pay/"
    second.post("/c/pay/")
    assert len(orders(cy)) == len(payments(cy)) == 1


def test_the_browser_coming_back_proves_nothing(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    back = f"/c/return/{payments(cy)[0].public_id}/"
    page = cy.get(back)
    assert "Do not pay again" in words(page)
    assert b"data-poll" in page.content
    assert b'http-equiv="refresh"' in page.content
    cy.shop.outside.processor.state = "authorized"
    assert cy.get(back).headers["Location"] == "/c/follow/"
    (order,) = orders(cy)
    assert (order.state, order.money) == ("authorized", "authorized")


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_a_refused_card_says_not_charged_and_can_be_tried_again(cy: Cy, state: str) -> None:
    cy.ship()
    cy.post("/c/pay/")
    cy.shop.outside.processor.state = state
    page = cy.get(f"/c/return/{payments(cy)[0].public_id}/")
    assert "You were not charged" in words(page)
    assert "Try again" in words(page)
    cy.shop.outside.processor.state = "open"
    assert cy.post("/c/pay/").headers["Location"] == "https://pay.example/p/2"
    assert len(orders(cy)) == 1


def test_closing_the_payment_page_leads_back_to_the_same_payment(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    assert "Your payment is not finished" in words(cy.get("/c/pay/"))
    assert cy.post("/c/pay/").headers["Location"] == "https://pay.example/p/1"


def test_a_payment_of_somebody_else_is_not_found(cy: Cy) -> None:

    other = Cy(cy.shop, cy.shop.offer(("GLU", METER), contacts=(EMAIL,)))
    cy.ship()
    cy.post("/c/pay/")
    other.ship()
    other.post("/c/pay/")
    theirs = next(payment for payment in payments(cy) if payment.order.offer_id == cy.link.offer_id)
    assert other.get(f"/c/return/{theirs.public_id}/").status_code == 404


def test_a_price_that_changed_is_shown_with_the_old_one_and_nothing_is_charged(cy: Cy) -> None:
    cy.ship()
    with walls.organization(cy.shop.clinic.pk):
        Product.objects.update(price_cents=6000)
        OfferLine.objects.update(price_cents=6000)
    page = cy.post("/c/pay/")
    assert page.status_code == 409
    assert "It was $48.00. It is $60.00 now" in words(page)
    assert orders(cy) == []

    version = re.search(r'name="quote" value="([0-9a-f]+)"', page.content.decode())
    assert version is not None
    cy.post("/c/new-price/", quote=version[1])
    assert cy.post("/c/pay/").status_code == 303
    assert orders(cy)[0].patient_cents == 6000


@pytest.mark.parametrize(
    ("full", "pays", "said"),
    [
        (
            6000,
            1200,
            ("You still pay $12.00", "full price was $48.00. It is $60.00", "plan paid $36.00. It pays $48.00"),
        ),
        (4800, 1500, ("It was $12.00. It is $15.00 now",)),
    ],
)
def test_what_changed_of_a_price_is_named_though_the_patient_pays_the_same(
    cy: Cy, full: int, pays: int, said: tuple[str, ...]
) -> None:
    cy.ship(plan=True)
    cy.shop.outside.payer.pays_cents = pays
    with walls.organization(cy.shop.clinic.pk):
        OfferLine.objects.update(price_cents=full)
        session = CheckoutSession.objects.get()
        session.eligibility = {**session.eligibility, "asked_at": "2020-01-01T00:00:00+00:00"}
        session.save()
    text = words(cy.post("/c/pay/"))
    for part in (*said, "You have not paid yet"):
        assert part in text
    assert "It was $12.00. It is $12.00" not in text


def test_prices_of_items_that_even_out_are_said_so() -> None:
    line = QuoteLine("a", "A", 1, 1000, 0, 1000, "not_asked")
    other = QuoteLine("b", "B", 1, 500, 0, 500, "not_asked")
    before = Quote((line, other), False, "", "1")
    cheaper = replace(line, full_cents=900, patient_cents=900), replace(other, full_cents=600, patient_cents=600)
    with translation.override("en"):
        assert quotes.changes(before, Quote(cheaper, False, "", "2")) == [
            "You still pay $15.00.", "Prices of single items changed. The sum did not.",
        ]  # fmt: skip


def test_try_again_may_lead_to_a_payment_page_that_was_away_when_the_page_was_shown(cy: Cy) -> None:
    cy.ship()
    desk = cy.shop.outside.rows["payment"]
    with walls.organization(cy.shop.clinic.pk):
        Supplier.objects.filter(pk=desk.pk).update(active=False)
    page = cy.post("/c/pay/")
    assert page.status_code == 503
    assert "You were not charged" in words(page)
    assert "form-action 'self' https://pay.example;" in page.headers["Content-Security-Policy"]
    with walls.organization(cy.shop.clinic.pk):
        Supplier.objects.filter(pk=desk.pk).update(active=True)
    answer = cy.post("/c/pay/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://pay.example/p/1")


def test_an_old_answer_of_a_plan_is_asked_for_again_before_the_payment(cy: Cy) -> None:
    cy.ship(plan=True)
    with walls.organization(cy.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        session.eligibility = {**session.eligibility, "asked_at": "2020-01-01T00:00:00+00:00"}
        session.save()
    cy.shop.outside.payer.pays_cents = 1500
    page = cy.post("/c/pay/")
    assert "It was $12.00. It is $15.00 now" in words(page)
    assert len(cy.shop.outside.payer.asked) == 2


@pytest.mark.parametrize("says", ["not_covered", "no plan"])
def test_a_plan_that_ended_since_it_was_asked_is_a_new_price_and_not_charged(cy: Cy, says: str) -> None:
    """[REL-F55]"""
    cy.ship(plan=True)
    with walls.organization(cy.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        session.eligibility = {**session.eligibility, "asked_at": "2020-01-01T00:00:00+00:00"}
        session.save()
    if says == "no plan":
        Chart.plans = ()
    else:
        cy.shop.outside.payer.answer = EligibilityAnswer(state=says, as_of="2026-11-28")
    page = cy.post("/c/pay/")
    assert page.status_code == 409
    assert "It was $12.00. It is $48.00 now" in words(page)
    with walls.organization(cy.shop.clinic.pk):
        assert not Order.objects.exists()
    assert cy.shop.outside.processor.sessions == {}


def test_nothing_to_pay_goes_straight_on(cy: Cy) -> None:
    cy.shop.outside.payer.pays_cents = 0
    cy.ship(plan=True)
    page = cy.get("/c/pay/")
    assert "You pay $0.00" in words(page)
    assert "Place the order" in words(page)
    assert cy.post("/c/pay/").headers["Location"] == "/c/follow/"
    assert payments(cy) == []
    assert "You have nothing to pay" in words(cy.get("/c/follow/"))


def test_the_link_leads_to_the_order_afterwards_and_charges_nobody_twice(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    later = Cy(cy.shop, cy.link)
    first: Any = later.get(later.address)
    assert "We will not charge you twice" in words(first)
    assert later.prove().headers["Location"] == "/c/pay/"
    cy.shop.outside.processor.state = "authorized"
    assert later.get("/c/pay/").headers["Location"] == "/c/follow/"
    assert len(orders(cy)) == 1


def test_the_price_on_the_pay_page_has_shipping_and_tax_and_is_the_one_that_is_paid(shop: Shop) -> None:
    cy = Cy(shop, shop.offer(("GLU", METER)))
    here = {"organization": shop.clinic, "state": "WA", "starts_on": date(2026, 11, 1)}
    with walls.organization(shop.clinic.pk):
        TaxRule.objects.create(**here, tax_class="medical_device", rate_ppm=65_000)
        rule = ShippingRule.objects.create(**here, fee_cents=695)
    cy.ship()
    text = words(cy.get("/c/pay/"))
    assert "Full price $24.95 Your plan pays Not used Shipping $6.95 Sales tax $1.62 You pay $33.52" in text
    shown = cy.quote("/c/pay/")
    with walls.organization(shop.clinic.pk):
        ShippingRule.objects.filter(pk=rule.pk).update(fee_cents=995)
    changed = cy.post("/c/pay/", quote=shown)
    assert changed.status_code == 409
    assert "It was $33.52. It is $36.52 now." in words(changed)
    assert orders(cy) == []
    cy.post("/c/new-price/", quote=cy.quote("/c/pay/"))
    assert cy.post("/c/pay/", quote=shown).status_code == 409  # another tab still shows the old price
    assert cy.post("/c/pay/").status_code == 303
    assert orders(cy)[0].total_cents == payments(cy)[0].amount_cents == 3652


def test_a_state_without_a_rule_is_said_on_the_address_page(shop: Shop) -> None:
    with walls.organization(shop.clinic.pk):
        ShippingRule.objects.all().delete()
    cy = Cy(shop, shop.offer(("GLU", METER)))
    answer = cy.ship()
    assert answer.status_code == 422
    assert "We cannot send this to WA yet." in words(answer)


def test_sold_out_is_said_and_nothing_is_charged(shop: Shop) -> None:
    cy = Cy(shop, shop.offer(("GLU", METER)))
    cy.ship()
    with walls.organization(shop.clinic.pk):
        Product.objects.filter(sku="GLU").update(in_stock=0)
    answer = cy.post("/c/pay/")
    assert (answer.status_code, "This is sold out" in words(answer)) == (409, True)
    assert orders(cy) == []
