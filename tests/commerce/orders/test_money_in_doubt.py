"""Money that is under way, in doubt or in dispute: nothing is taken or given back twice, and nothing is forgotten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from ehrcommerce.commerce.orders import ledger, money, moves, services
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.outbox.outcomes import Done, Outcome
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.ports import ChartUnreachable
from tests.commerce.shop import CY, Shop


def both(shop: Shop) -> tuple[Order, Any, Any]:
    """A captured order of two suppliers."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    return order, medicine, device


def slow(shop: Shop, monkeypatch: pytest.MonkeyPatch, verb: str) -> list[str]:
    """A processor that says yes at once and acts later. Returns the keys under which it was asked."""
    keys: list[str] = []

    def taken_on(reference: str, *amount: int, idempotency_key: str) -> Outcome:
        keys.append(idempotency_key)
        now = next(one for one in shop.payments.sessions.values() if one.processor_reference == reference)
        return Done(reference, {"status": now})

    monkeypatch.setattr(shop.payments, verb, taken_on)
    return keys


# -- one refund after another -----------------------------------------------------------------------------------------
def test_what_comes_due_during_a_refund_is_refunded_after_it(shop: Shop) -> None:
    order, medicine, device = both(shop)
    shop.payments.faults.coming = ["drop"]
    shop.hears(medicine, "cancelled")
    shop.run("payment.refund", rounds=1)
    shop.hears(device, "cancelled")  # its refund joins the one that is in doubt
    shop.later("payment.refund")
    shop.run()
    assert shop.payments.acts[1:] == [("refund", 1480), ("refund", 6990)]
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")
    assert ledger.balance(order, ledger.PROCESSOR) == 0


def test_a_refund_that_was_lost_on_the_way_is_sent_again_as_it_was(shop: Shop) -> None:
    _, medicine, device = both(shop)
    shop.payments.faults.coming = ["lost"]
    shop.hears(medicine, "cancelled")
    shop.run("payment.refund", rounds=1)
    key = shop.effect("payment.refund").idempotency_key
    shop.hears(device, "cancelled")
    shop.later("payment.refund")
    shop.run()
    assert shop.payments.acts[1:] == [("refund", 1480), ("refund", 6990)]
    first = Effect.objects.filter(organization_id=shop.clinic.pk, kind="payment.refund").earliest("pk")
    assert first.idempotency_key == key


# -- taken on is not done ---------------------------------------------------------------------------------------------
def test_a_refund_that_was_taken_on_is_waited_for_and_not_sent_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, medicine, device = both(shop)
    keys = slow(shop, monkeypatch, "refund")
    shop.hears(medicine, "cancelled")
    for state in ("shipped", "delivered"):
        shop.run()
        shop.later("payment.refund")
        shop.hears(device, state)
    effect = shop.effect("payment.refund")
    assert (len(keys), effect.state, effect.code) == (1, "unknown", "pending")
    shop.payments.says(effect.subject, "captured", refunded_cents=1480)
    shop.later("payment.refund")
    shop.run("payment.refund")
    assert (len(keys), shop.payment(order).refunded_cents) == (1, 1480)


def test_a_capture_that_was_taken_on_is_looked_for_until_it_is_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.dispatched(PRESCRIPTION)
    keys = slow(shop, monkeypatch, "capture")
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    assert shop.effect("payment.capture").state == "unknown"
    assert shop.fresh(order).money == "authorized"
    shop.payments.says(shop.payment(order).public_id, "captured", captured_cents=1480)
    shop.later("payment.capture")
    shop.run("payment.capture")
    assert (len(keys), shop.fresh(order).money) == (1, "captured")


def test_what_was_taken_on_and_never_came_is_a_persons_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.dispatched(PRESCRIPTION)
    keys = slow(shop, monkeypatch, "capture")
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    effect = shop.effect("payment.capture")
    Effect.objects.filter(pk=effect.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    shop.later("payment.capture")
    shop.run("payment.capture")
    assert shop.effect("payment.capture").state == "needs_human"
    outbox.retry(shop.effect("payment.capture"), by=CY, at=timezone.now())  # a person knows that it never will
    monkeypatch.delattr(shop.payments, "capture")
    shop.later("payment.capture")
    shop.run("payment.capture")
    assert (len(keys), shop.payments.acts, shop.fresh(order).money) == (1, [("capture", 1480)], "captured")


# -- capture and cancel -----------------------------------------------------------------------------------------------
def test_nothing_is_captured_while_a_cancel_is_pending(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.problem = ChartUnreachable()
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    shop.pharmacy.cancel_faults.coming = ["down"] * 3
    services.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())
    shop.chart.problem = None
    shop.later("payment.capture")
    shop.run("payment.capture")
    assert (shop.fresh(order).state, shop.payments.acts) == ("cancel_requested", [])
    for _ in range(4):
        shop.later()
        shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")


def test_a_cancel_that_came_too_late_lets_the_capture_go_on(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.problem = ChartUnreachable()
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    shop.pharmacy.says(shop.fulfillment(order).public_id, "shipped")
    services.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())
    shop.later("payment.capture")
    shop.chart.problem = None
    shop.run()
    assert shop.payments.acts == [("capture", 1480)]


def test_a_capture_in_doubt_and_a_cancel_end_with_the_money_given_back(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.payments.faults.coming = ["drop"]
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run("payment.capture", rounds=1)
    shop.hears(shop.fulfillment(order), "cancelled")
    shop.run("payment.void")
    assert shop.effect("payment.void").code == "other_act_under_way"
    shop.later()
    shop.run()
    assert shop.payments.acts == [("capture", 1480), ("refund", 1480)]
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")


def test_a_void_that_finds_the_money_taken_gives_it_back(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "refused", reason="out_of_stock")
    shop.payments.says(shop.payment(order).public_id, "captured", captured_cents=1480)
    shop.run()
    assert shop.payments.acts == [("refund", 1480)]
    assert shop.fresh(order).money == "refunded"


def test_the_sum_is_compared_again_before_it_is_taken(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    shop.hears(medicine, "accepted")
    shop.hears(device, "accepted")
    shop.chart.while_reading = lambda: _once(shop, lambda: shop.hears(device, "cancelled"))
    shop.run()
    assert shop.payments.acts == [("capture", 1480)]


def _once(shop: Shop, act: Any) -> None:
    shop.chart.while_reading = None
    act()


def test_less_taken_than_due_is_a_persons_work_and_more_is_given_back(shop: Shop) -> None:
    for taken, ends in ((3, "reconcile_needed"), (8470, "captured")):
        order = shop.dispatched(PRESCRIPTION, DEVICE)
        device, medicine = shop.fulfillments(order)
        shop.hears(medicine, "accepted")
        shop.hears(device, "refused", reason="out_of_stock")
        payment = shop.payment(order)
        shop.payments.says(payment.public_id, "captured", captured_cents=taken)
        services.look_at_payment(payment=payment, at=timezone.now())
        shop.run()
        payment.refresh_from_db()
        assert (shop.fresh(order).money, payment.captured_cents) == (ends, taken)
        assert payment.refunded_cents == max(0, taken - 1480)


@pytest.mark.parametrize("more", [{"captured_cents": 1481}, {"captured_cents": 1480, "refunded_cents": 1481}])
def test_more_than_was_promised_is_a_persons_work(shop: Shop, more: dict[str, int]) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.payments.says(shop.payment(order).public_id, "captured", **more)
    services.look_at_payment(payment=shop.payment(order), at=timezone.now())
    assert shop.fresh(order).money == "reconcile_needed"


# -- after a person looked --------------------------------------------------------------------------------------------
def in_doubt(shop: Shop, order: Order) -> None:
    with transaction.atomic():
        money.reconcile(moves.lock(order.pk), shop.payment(order), "odd", at=timezone.now())


def test_what_waited_for_a_person_goes_on_when_the_books_agree(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    in_doubt(shop, order)
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    assert shop.payments.acts == []
    services.reconciled(order=order, found="authorized", reason="looked", by=CY, at=timezone.now())
    shop.run()
    assert shop.payments.acts == [("capture", 1480)]
    assert shop.fresh(order).money == "captured"


def test_an_act_that_meets_a_doubt_waits_for_the_person(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted")
    in_doubt(shop, order)
    shop.run()
    effect = shop.effect("payment.capture")
    assert (effect.state, effect.code) == ("needs_human", "reconcile_first")
    services.reconciled(order=order, found="authorized", reason="looked", by=CY, at=timezone.now())
    shop.run()
    assert shop.payments.acts == [("capture", 1480)]


def test_an_order_that_waits_for_its_suppliers_keeps_its_hold_when_the_books_agree(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    in_doubt(shop, order)
    services.reconciled(order=order, found="authorized", reason="looked", by=CY, at=timezone.now())
    shop.run()
    assert (shop.payments.acts, shop.fresh(order).money) == ([], "authorized")


# -- a payment that we had given up -----------------------------------------------------------------------------------
def test_a_hold_on_a_payment_that_we_called_failed_is_given_back(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    dead = services.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(dead.public_id, "failed")
    services.look_at_payment(payment=dead, at=timezone.now())
    again = services.start_payment(order=order, by=CY, at=timezone.now())
    assert again.pk != dead.pk
    shop.payments.says(dead.public_id, "authorized")
    services.look_at_payment(payment=dead, at=timezone.now())
    shop.run()
    assert shop.payments.acts == [("void", 0)]
    assert shop.payments.sessions[str(dead.public_id)].state == "voided"
    assert (shop.fresh(order).state, shop.payments.sessions[str(again.public_id)].state) == ("quoted", "open")


@pytest.mark.parametrize("ended", ["failed", "voided"])
def test_money_taken_on_a_payment_that_is_over_is_a_persons_work(shop: Shop, ended: str) -> None:
    order = shop.dispatched(PRESCRIPTION) if ended == "voided" else shop.place(PRESCRIPTION)
    if ended == "voided":
        shop.hears(shop.fulfillment(order), "refused", reason="out_of_stock")
        shop.run()
        payment = shop.payment(order)
    else:
        payment = services.start_payment(order=order, by=CY, at=timezone.now())
        shop.payments.says(payment.public_id, "failed")
        services.look_at_payment(payment=payment, at=timezone.now())
    shop.payments.says(payment.public_id, "captured", captured_cents=1480)
    services.look_at_payment(payment=payment, at=timezone.now())
    assert shop.fresh(order).money == "reconcile_needed"


def test_nothing_turns_in_a_circle(shop: Shop) -> None:
    """A chart that stops an order which can no longer be called back stops its capture once, not for ever."""
    order = shop.dispatched(PRESCRIPTION)
    shop.pharmacy.says(shop.fulfillment(order).public_id, "accepted")
    shop.chart.problem = ChartUnreachable()
    shop.look(shop.fulfillment(order))
    fulfillment = shop.fulfillment(order)
    type(fulfillment).objects.filter(pk=fulfillment.pk).update(reason="cancel_too_late")
    shop.chart.problem = None
    for key, kept in shop.chart.orders.items():
        shop.chart.orders[key] = replace(kept, state=replace(kept.state, refusal="order_stopped"))
    shop.later("payment.capture")
    shop.run("payment.capture", rounds=8)
    captures = Effect.objects.filter(organization_id=shop.clinic.pk, kind="payment.capture")
    assert (captures.count(), captures.filter(state__in=OPEN).count()) == (1, 0)
