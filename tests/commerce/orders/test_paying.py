"""From the confirmed quote to money that is promised, taken, and given back."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from ehrcommerce.commerce.orders import errors, ledger, money, pricing, services
from ehrcommerce.commerce.orders.models import LedgerEntry, Order
from ehrcommerce.commerce.orders.states import IllegalMove
from ehrcommerce.outbox.outcomes import NeedsHuman
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers.ports import EligibilityAnswer
from tests.commerce.shop import CY, HOME, Shop


def test_the_same_link_twice_makes_one_order(shop: Shop) -> None:  # REL-P7
    link = shop.link(PRESCRIPTION)
    quote = shop.quote(link)
    first, second = (
        services.place_order(link=link, quote=quote, ship_to=HOME, language="en", by=CY, at=timezone.now())
        for _ in range(2)
    )
    assert first.pk == second.pk
    assert Order.objects.filter(offer=link.offer).count() == 1
    assert first.number.startswith("LK-")
    assert not set(first.number[3:]) & set("01OIL5S2ZB")


def test_an_unverified_link_orders_nothing(shop: Shop) -> None:
    link = shop.link(PRESCRIPTION, state="opened")
    with pytest.raises(errors.LinkOver):
        services.place_order(link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now())


def test_a_quote_for_other_prices_is_not_ordered(shop: Shop) -> None:  # REL-P26
    link = shop.link(PRESCRIPTION, DEVICE)
    whole = shop.quote(link)
    for lines in (whole.lines[:1], (*whole.lines, whole.lines[0])):
        part = pricing.Quote(lines, False, "", whole.version)
        with pytest.raises(errors.QuoteChanged):
            services.place_order(link=link, quote=part, ship_to=HOME, language="en", by=CY, at=timezone.now())


def test_what_the_plan_does_not_say_is_paid_in_full_and_named(shop: Shop) -> None:
    link = shop.link(PRESCRIPTION, DEVICE, KIT)
    first, second, third = (line.offer_line_public_id for line in shop.quote(link).lines)
    lines = list(link.offer.lines.select_related("product").order_by("pk"))
    quote = pricing.quote(lines, EligibilityAnswer("covered", "", {first: 370, second: None}))
    assert [line.patient_cents for line in quote.lines] == [370, 6990, 4900]
    assert [line.plan_state for line in quote.lines] == ["covered", "unknown", "not_covered"]
    assert quote.plan_unknown
    assert quote.plan_cents == 1480 - 370
    assert third
    down = pricing.quote(lines, EligibilityAnswer("unreachable", ""))
    assert down.patient_cents == down.full_cents
    assert pricing.from_json(pricing.as_json(quote)).version == quote.version


def test_a_payment_is_opened_once_and_used_again(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    first = services.start_payment(order=order, by=CY, at=timezone.now())
    second = services.start_payment(order=order, by=CY, at=timezone.now())
    assert first.pk == second.pk
    assert first.page_url.startswith("https://pay.example.org/")
    assert len(shop.payments.sessions) == 1


def test_a_lost_answer_is_looked_up_and_not_opened_twice(shop: Shop) -> None:  # REL-P25, REL-F19
    shop.payments.faults.coming = ["drop"]
    payment = services.start_payment(order=shop.place(PRESCRIPTION), by=CY, at=timezone.now())
    assert payment.page_url == ""
    shop.later("payment.open")
    shop.run("payment.open")
    payment.refresh_from_db()
    assert payment.state == "open"
    assert len(shop.payments.sessions) == 1


def test_a_failed_payment_is_followed_by_another(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    first = services.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(first.public_id, "expired")
    second = services.start_payment(order=order, by=CY, at=timezone.now())
    assert second.pk != first.pk
    assert second.state == "open"
    assert "payment_failed" in shop.events(order)


def test_the_browser_that_comes_back_proves_nothing(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    payment = services.start_payment(order=order, by=CY, at=timezone.now())
    services.look_at_payment(payment=payment, at=timezone.now())
    assert shop.fresh(order).state == "quoted"
    shop.payments.says(payment.public_id, "authorized")
    services.look_at_payment(payment=payment, at=timezone.now())
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("authorized", "authorized")


@pytest.mark.parametrize("wrong", [{"amount_cents": 1}, {"currency": "EUR"}])
def test_another_sum_than_asked_for_is_a_persons_work(shop: Shop, wrong: dict[str, Any]) -> None:
    order = shop.place(PRESCRIPTION)
    payment = services.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized", **wrong)
    services.look_at_payment(payment=payment, at=timezone.now())
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("quoted", "reconcile_needed")
    assert shop.effect("payment.look").state == "needs_human"
    assert shop.effect("payment.look").code == "amount_mismatch"


def test_money_is_captured_once_all_suppliers_answered_and_only_for_what_they_took(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    shop.hears(medicine, "accepted")
    shop.run("payment.capture")
    assert shop.payments.acts == []
    shop.hears(device, "refused", reason="out_of_stock")
    shop.run("payment.capture")
    assert shop.payments.acts == [("capture", 1480)]
    assert shop.fresh(order).money == "captured"
    assert ledger.balance(order, ledger.PROCESSOR) == 1480
    assert ledger.balance(order, ledger.HELD) == 0


def test_a_lost_answer_to_a_capture_takes_the_money_once(shop: Shop) -> None:  # REL-F19
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted")
    shop.payments.faults.coming = ["drop"]
    shop.run("payment.capture")
    assert shop.fresh(order).money == "authorized"
    shop.later("payment.capture")
    shop.run("payment.capture")
    assert shop.payments.acts == [("capture", 1480)]
    assert shop.fresh(order).money == "captured"


def test_nobody_accepted_so_the_hold_is_given_back(shop: Shop) -> None:  # REL-P24
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "refused", reason="out_of_stock")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("refused", "voided")
    assert shop.payments.acts == [("void", 0)]
    assert LedgerEntry.objects.filter(order=order, account=ledger.PROCESSOR).count() == 0
    assert shop.told() == ["paid", "refused"]


def test_accepted_then_out_of_stock_is_refunded_once(shop: Shop) -> None:  # REL-F14, REL-P24
    order = shop.accepted(PRESCRIPTION)
    assert shop.fresh(order).money == "captured"
    shop.hears(shop.fulfillment(order), "refused", reason="out_of_stock")
    shop.run()
    shop.run()
    assert shop.payments.acts == [("capture", 1480), ("refund", 1480)]
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")
    assert ledger.balance(order, ledger.PROCESSOR) == 0
    assert "refunded" in shop.told()


def test_a_processor_that_does_not_know_our_key_stops_for_a_person(shop: Shop) -> None:  # REL-F10
    shop.payments.faults.coming = [NeedsHuman("not_authorized")]
    payment = services.start_payment(order=shop.place(PRESCRIPTION), by=CY, at=timezone.now())
    assert payment.page_url == ""
    assert shop.effect("payment.open").state == "needs_human"
    assert shop.fresh(payment.order).money == "none"


def test_paid_on_one_page_and_cancelled_on_another_gives_the_hold_back(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    payment = services.start_payment(order=order, by=CY, at=timezone.now())
    services.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized")
    services.look_at_payment(payment=payment, at=timezone.now())
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.pharmacy.placed == []


def test_a_hold_that_the_bank_ended_is_seen(shop: Shop) -> None:  # REL-F22
    order = shop.dispatched(PRESCRIPTION)
    payment = shop.payment(order)
    shop.payments.says(payment.public_id, "voided")
    services.look_at_payment(payment=payment, at=timezone.now())
    assert shop.fresh(order).money == "reconcile_needed"


def test_old_and_doubled_news_moves_nothing(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    payment = shop.payment(order)
    before = shop.events(order)
    for state in ("open", "authorized", "captured", "failed"):
        shop.payments.says(payment.public_id, state, captured_cents=1480)
        services.look_at_payment(payment=payment, at=timezone.now())
    assert shop.fresh(order).money == "captured"
    assert shop.events(order) == before


def test_nothing_due_needs_no_payment(shop: Shop) -> None:
    link = shop.link(KIT)
    (line,) = link.offer.lines.select_related("product")
    items = pricing.quote([line], EligibilityAnswer("covered", "", {str(line.public_id): 0}))
    quote = pricing.delivered(items, [line], state=HOME.state, on=link.day_of(timezone.now()))
    order = services.place_order(link=link, quote=quote, ship_to=HOME, language="en", by=CY, at=timezone.now())
    assert order.state == "authorized"
    with pytest.raises(errors.NothingToPay):
        services.start_payment(order=order, by=CY, at=timezone.now())
    shop.run()
    assert len(shop.lab.placed) == 1
    assert shop.payments.sessions == {}


def test_the_books_refuse_a_cause_that_does_not_sum_to_zero(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    with pytest.raises(DatabaseError, match="sum to zero"), transaction.atomic():
        LedgerEntry.objects.create(
            organization=shop.clinic, order=order, cause="odd", account="held", amount_cents=1, at=timezone.now()
        )


def test_an_entry_of_the_books_is_never_changed(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    with pytest.raises(DatabaseError, match="never changed"):
        LedgerEntry.objects.filter(order=order).update(amount_cents=0)
    with pytest.raises(DatabaseError, match="never changed"):
        LedgerEntry.objects.filter(order=order).delete()


def test_settling_twice_plans_one_act(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted")
    with transaction.atomic():
        money.settle(shop.fresh(order), at=timezone.now())
        money.settle(shop.fresh(order), at=timezone.now())
    shop.run("payment.capture")
    assert shop.payments.acts == [("capture", 1480)]


def test_an_operator_gives_the_money_of_a_returned_parcel_back(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "returned")
    services.give_back(order=order, reason="returned", by=CY, at=timezone.now())
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("returned", "refunded")
    assert shop.payments.acts == [("capture", 1480), ("refund", 1480)]
    with pytest.raises(errors.NothingToGiveBack):
        services.give_back(order=order, reason="returned", by=CY, at=timezone.now())


def test_a_person_says_how_the_money_stands(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    with pytest.raises(IllegalMove):
        services.reconciled(order=order, found="captured", reason="looked", by=CY, at=timezone.now())
    payment = shop.payment(order)
    shop.payments.says(payment.public_id, "authorized", amount_cents=3)
    services.look_at_payment(payment=payment, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized", amount_cents=1480)
    services.reconciled(order=order, found="authorized", reason="looked", by=CY, at=timezone.now())
    shop.run("fulfillment.dispatch")
    assert shop.fresh(order).state == "dispatched"
