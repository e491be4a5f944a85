"""What comes back is paid back by the clinic's rule, to the cent; and what operations give back, once for each press."""

from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import tracker
from ehrcommerce.commerce.fulfillment.admin import cents_of
from ehrcommerce.commerce.orders import errors, ledger, money, services
from ehrcommerce.commerce.orders.models import Order, OrderFee, OrderLine
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from tests.commerce.shop import Shop

FEE, FEE_TAX, TAX = 595, 52, 611


def paid(shop: Shop, rule: str, *kinds: str) -> Order:
    """Shipped and captured, with tax and a shipping fee on the device."""
    Organization.objects.filter(pk=shop.clinic.pk).update(return_refunds=rule)
    order = shop.place(*(kinds or (DEVICE,)))
    line = OrderLine.objects.get(order=order, offer_line__kind=DEVICE)
    OrderLine.objects.filter(pk=line.pk).update(tax_cents=TAX)
    OrderFee.objects.filter(order=order, kind=DEVICE).update(cents=FEE, tax_cents=FEE_TAX)
    Order.objects.filter(pk=order.pk).update(shipping_cents=FEE, tax_cents=TAX + FEE_TAX)
    order = shop.pay(shop.fresh(order))
    shop.run("fulfillment.dispatch")
    for fulfillment in shop.fulfillments(order):
        shop.hears(fulfillment, "shipped")
    shop.run()
    return shop.fresh(order)


def come_back(shop: Shop, order: Order, kind: str = DEVICE) -> Order:
    (part,) = [one for one in shop.fulfillments(order) if one.kind == kind]
    for _ in range(2):
        shop.hears(part, "returned")
        shop.run()
    return shop.fresh(order)


def lies(order: Order) -> int:
    return ledger.balance(order, ledger.PROCESSOR)


def refunds(shop: Shop) -> list[int]:
    return [cents for act, cents in shop.payments.acts if act == "refund"]


@pytest.mark.parametrize(
    ("rule", "back", "left"), [("full", 6990 + TAX + FEE + FEE_TAX, 0), ("without_shipping", 6990 + TAX, FEE + FEE_TAX)]
)
def test_a_return_pays_back_by_the_rule_once_and_to_the_cent(shop: Shop, rule: str, back: int, left: int) -> None:
    order = come_back(shop, paid(shop, rule))
    assert (order.state, refunds(shop), lies(order)) == ("returned", [back], left)
    assert order.money == ("captured" if left else "refunded")
    assert [one for one in shop.told() if one in ("returned", "refunded")] == ["returned", "refunded"]
    assert str(tracker.words_of(order).following) == "Your money goes back to your card."
    with override("es"):
        assert str(tracker.words_of(order).following) == "Su dinero vuelve a su tarjeta."


def test_only_the_part_that_came_back_is_paid_back(shop: Shop) -> None:
    order = come_back(shop, paid(shop, "full", DEVICE, PRESCRIPTION))
    assert (refunds(shop), lies(order)) == ([6990 + TAX + FEE + FEE_TAX], 1480)


def test_without_a_rule_a_person_decides_and_no_money_moves(shop: Shop) -> None:
    order = come_back(shop, paid(shop, "person"))
    effect = shop.effect("fulfillment.return")
    assert (effect.state, effect.code, refunds(shop)) == ("needs_human", "return_to_decide", [])
    assert str(tracker.words_of(order).you) == "Please call us."


def test_until_the_refund_is_done_the_patient_reads_that_it_is_under_way(shop: Shop) -> None:
    order = paid(shop, "without_shipping")
    shop.hears(shop.fulfillment(order), "returned")
    assert "We are sending $76.01 back" in tracker.money_words(shop.fresh(order))
    shop.run()
    assert "We sent $76.01 back" in tracker.money_words(shop.fresh(order))


def give(shop: Shop, order: Order, cents: int, seen: int) -> Order:
    return services.refund(
        order=order, amount_cents=cents, seen_cents=seen, reason="goodwill", by=shop.ada.actor, at=timezone.now()
    )


def test_two_presses_are_one_refund(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    give(shop, order, 1000, 6990)
    with pytest.raises(errors.RefundSeenElsewhere):
        give(shop, order, 1000, 6990)
    shop.run()
    assert (refunds(shop), lies(order)) == ([1000], 5990)
    give(shop, order, 500, money.refundable_cents(shop.fresh(order)))
    shop.run()
    assert (refunds(shop), lies(order)) == ([1000, 500], 5490)
    rows = AuditEvent.objects.filter(action="order.refund_wanted", entity=f"order:{order.public_id}")
    assert [row.reason for row in rows.order_by("pk")] == ["goodwill:1000", "goodwill:500"]


@pytest.mark.parametrize(
    ("cents", "why"), [(6991, errors.RefundTooLarge), (0, errors.NothingToGiveBack), (-1, errors.NothingToGiveBack)]
)
def test_no_more_than_was_taken(shop: Shop, cents: int, why: Any) -> None:
    order = shop.accepted(DEVICE)
    with pytest.raises(why):
        give(shop, order, cents, 6990)
    shop.run()
    assert refunds(shop) == []


def test_nothing_is_given_back_of_what_was_not_taken(shop: Shop) -> None:
    with pytest.raises(errors.NothingToGiveBack):
        give(shop, shop.dispatched(DEVICE), 100, 0)


def test_after_goodwill_a_return_gives_back_the_rest_and_no_more(shop: Shop) -> None:
    order = paid(shop, "full")
    give(shop, order, 1000, 6990 + TAX + FEE + FEE_TAX)
    shop.run()
    assert lies(come_back(shop, order)) == 0
    assert sum(refunds(shop)) == 6990 + TAX + FEE + FEE_TAX


@pytest.mark.parametrize(
    ("typed", "cents"),
    [("12.50", 1250), ("$12", 1200), (" 0.05 ", 5), ("12.5", None), ("1e3", None), ("-1", None), ("\u0661", None)],
)
def test_a_sum_is_read_without_guessing(typed: str, cents: int | None) -> None:
    assert cents_of(typed) == cents
