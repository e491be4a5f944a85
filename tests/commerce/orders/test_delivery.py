"""Shipping, sales tax and stock: by rules that somebody wrote, to the cent, and never promised twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ehrcommerce.commerce.catalog.models import Product, ShippingRule, TaxRule
from ehrcommerce.commerce.catalog.rules import NoRule, Rules, rules_for
from ehrcommerce.commerce.orders import chores, errors, pricing, services
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.vault import walls
from tests.commerce.shop import CY, HOME, Shop

DAY = date(2026, 11, 28)


def tax(shop: Shop, tax_class: str, rate_ppm: int, *, state: str = "WA", starts_on: date = DAY, **more: Any) -> None:
    TaxRule.objects.create(
        organization=shop.clinic, tax_class=tax_class, rate_ppm=rate_ppm, state=state, starts_on=starts_on, **more
    )


def fee(shop: Shop, cents: int, *, starts_on: date = DAY, **more: Any) -> None:
    ShippingRule.objects.create(organization=shop.clinic, fee_cents=cents, starts_on=starts_on, **more)


def rules(shop: Shop, state: str = "WA", on: date = DAY) -> Rules:
    return rules_for(organization_id=shop.clinic.pk, state=state, on=on)


def stock_of(order: Order) -> int | None:
    return Product.objects.get(pk=order.lines.get().offer_line.product_id).in_stock


def limit(order_or_link: Any, cents: int) -> None:
    offer = order_or_link.offer
    Product.objects.filter(pk__in=offer.lines.values("product")).update(in_stock=cents)


@pytest.mark.parametrize(
    ("cents", "rate_ppm", "due"), [(100, 65_000, 7), (99, 65_000, 6), (1, 500_000, 1), (1, 499_999, 0), (6990, 0, 0)]
)
def test_tax_is_rounded_half_up_to_the_cent(cents: int, rate_ppm: int, due: int) -> None:
    assert Rules({"general": rate_ppm}, ()).tax("general", cents) == due


def test_the_states_own_rule_the_later_rule_and_the_last_day(shop: Shop) -> None:
    tax(shop, "lab_kit", 10_000, state="")
    tax(shop, "lab_kit", 65_000)
    tax(shop, "lab_kit", 70_000, starts_on=DAY + timedelta(days=1), ends_on=DAY + timedelta(days=9))
    assert [rules(shop, on=DAY + timedelta(days=days)).rates["lab_kit"] for days in (0, 1, 9, 10)] == [
        65_000, 70_000, 70_000, 65_000,
    ]  # fmt: skip
    assert rules(shop, state="OR").rates["lab_kit"] == 10_000


def test_no_rule_is_no_sale_and_a_prescription_drug_is_exempt(shop: Shop) -> None:
    TaxRule.objects.all().delete()
    assert rules(shop).tax("prescription_drug", 1480) == 0
    with pytest.raises(NoRule):
        rules(shop).tax("lab_kit", 4900)
    ShippingRule.objects.all().delete()
    with pytest.raises(NoRule):
        rules(shop).shipping(KIT, grams=1, cents=1)
    link = shop.link(KIT)
    with pytest.raises(NoRule):
        shop.quote(link)


def test_the_fee_goes_by_kind_weight_and_worth(shop: Shop) -> None:
    fee(shop, 500)
    fee(shop, 900, kind=DEVICE)
    fee(shop, 1500, kind=DEVICE, from_grams=2000)
    fee(shop, 0, kind=DEVICE, from_cents=10_000)
    fee(shop, 2500, state="AK")
    found = rules(shop)
    assert [found.shipping(DEVICE, grams=g, cents=c) for g, c in ((1, 1), (2000, 1), (9999, 10_000))] == [900, 1500, 0]
    assert found.shipping(KIT, grams=1, cents=1) == 500
    assert rules(shop, state="AK").shipping(DEVICE, grams=9999, cents=99_999) == 2500


def test_only_what_was_accepted_is_taken_with_its_tax_and_its_parcel(shop: Shop) -> None:  # REL-F14
    tax(shop, "medical_device", 65_000)
    tax(shop, "shipping", 100_000)
    fee(shop, 700, kind=DEVICE)
    fee(shop, 300, kind=PRESCRIPTION)
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    # 65 per mille of 69.90 is 4.54; ten percent of two fees.
    assert (order.patient_cents, order.shipping_cents, order.tax_cents) == (8470, 1000, 454 + 70 + 30)
    assert shop.payment(order).amount_cents == order.total_cents == 8470 + 1000 + 554
    device, medicine = shop.fulfillments(order)
    shop.hears(medicine, "refused", reason="out_of_stock")
    shop.hears(device, "accepted")
    shop.run()
    assert shop.payments.acts == [("capture", 6990 + 454 + 700 + 70)]


def test_a_rule_that_changed_since_the_page_is_not_charged(shop: Shop) -> None:  # REL-P26
    link = shop.link(DEVICE)
    quote = shop.quote(link)
    tax(shop, "medical_device", 65_000)
    with pytest.raises(errors.QuoteChanged):
        services.place_order(link=link, quote=quote, ship_to=HOME, language="en", by=CY, at=timezone.now())
    assert shop.quote(link).total_cents == 6990 + 454
    assert pricing.from_json(pricing.as_json(shop.quote(link))) == shop.quote(link)


def test_twenty_buyers_of_three(shop: Shop) -> None:
    links = [shop.link(DEVICE) for _ in range(20)]
    product = shop.product(DEVICE, in_stock=3)
    for link in links:
        link.offer.lines.update(product=product)
    quotes = [shop.quote(link) for link in links]

    def buy(number: int) -> bool:
        walls.enter(shop.clinic.pk)
        try:
            services.place_order(
                link=links[number], quote=quotes[number], ship_to=HOME, language="en", by=CY, at=timezone.now()
            )
        except errors.SoldOut:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(buy, range(20))) == [False] * 17 + [True] * 3
    product.refresh_from_db()
    assert product.in_stock == 0
    assert OrderLine.objects.filter(offer_line__product=product, reserved=1).count() == 3
    with pytest.raises(DatabaseError), transaction.atomic():
        Product.objects.filter(pk=product.pk).update(in_stock=-1)


def test_who_was_too_late_keeps_the_link(shop: Shop) -> None:
    link = shop.link(DEVICE)
    limit(link, 0)
    with pytest.raises(errors.SoldOut):
        services.place_order(link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now())
    link.refresh_from_db()
    assert link.state == "verified"
    limit(link, 1)
    assert services.place_order(
        link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
    ).pk


def ordered(shop: Shop) -> Order:
    """One of five, not paid yet."""
    link = shop.link(DEVICE)
    limit(link, 5)
    return services.place_order(
        link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
    )


def test_what_is_cancelled_refused_or_never_paid_goes_back_once(shop: Shop) -> None:
    cancelled, refused, unpaid = (ordered(shop) for _ in range(3))
    assert [stock_of(order) for order in (cancelled, refused, unpaid)] == [4, 4, 4]
    for _ in range(2):
        services.cancel_order(order=cancelled, reason="patient", by=CY, at=timezone.now())
    shop.pay(refused)
    shop.run("fulfillment.dispatch")
    shop.hears(shop.fulfillment(refused), "refused", reason="out_of_stock")
    shop.run()
    assert chores.cancel_unpaid(shop.clinic.pk, timezone.now() + timedelta(hours=23)) == 0
    assert chores.cancel_unpaid(shop.clinic.pk, timezone.now() + timedelta(hours=25)) == 1
    assert [stock_of(order) for order in (cancelled, refused, unpaid)] == [5, 5, 5]


def test_what_left_is_gone(shop: Shop) -> None:
    order = shop.pay(ordered(shop))
    shop.run("fulfillment.dispatch")
    shop.hears(shop.fulfillment(order), "shipped")
    shop.hears(shop.fulfillment(order), "returned")
    shop.run()
    assert stock_of(order) == 4
    assert order.lines.get().reserved == 0
