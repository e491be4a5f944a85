"""Our books and the processor's: compared day by day, and what differs is a person's work; holds that lapse, refunds that
fail, and banks that ask the money back."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from ehrcommerce.commerce.orders import chores, ledger, reconciling, services
from ehrcommerce.commerce.orders.management.commands import reconcile as command
from ehrcommerce.commerce.orders.models import LedgerEntry, Order, Payment, Reconciliation
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import OutcomeUnknown, Refused
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.ports import PaymentStatus
from tests.commerce.shop import CY, Shop


def reconcile(shop: Shop) -> Reconciliation:
    """Compare today."""
    day = timezone.now().astimezone(UTC).date()
    for effect in reconciling.reconcile(organization_id=shop.clinic.pk, day=day, at=timezone.now()):
        outbox.run(str(effect.public_id))
    shop.run("payment.compare")
    shop.run("payment.stray")
    return Reconciliation.objects.get(organization=shop.clinic, day=day)


def told(shop: Shop, order: Order, state: str, **more: Any) -> None:
    """The processor says how the order's payment stands."""
    payment = shop.payment(order)
    shop.payments.says(payment.public_id, state, **more)
    services.look_at_payment(payment=payment, at=timezone.now())


# -- the day ----------------------------------------------------------------------------------------------------------
def test_a_day_on_which_all_went_well(shop: Shop) -> None:  # REL-P25
    shop.accepted(PRESCRIPTION)
    shop.authorized(DEVICE)
    row = reconcile(shop)
    assert (row.listed, row.agreed, row.to_compare, row.strays, row.crooked) == (2, 2, 0, 0, 0)


def test_news_that_never_came_is_taken_over_and_is_no_difference(shop: Shop) -> None:  # REL-F21
    order = shop.place(PRESCRIPTION)
    payment = services.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized")
    assert reconcile(shop).to_compare == 1
    assert shop.effect("payment.compare").state == "done"
    assert shop.fresh(order).money == "authorized"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"captured_cents": 1479}, "captured_differs"),
        ({"amount_cents": 9999}, "amount_mismatch"),
        ({"state": "authorized", "captured_cents": 0}, "captured_differs"),
    ],
)
def test_what_differs_is_a_persons_work_and_retry_compares_again(shop: Shop, wrong: dict[str, Any], why: str) -> None:
    order = shop.accepted(PRESCRIPTION)
    reference = str(shop.payment(order).public_id)
    right = shop.payments.sessions[reference]
    shop.payments.sessions[reference] = replace(right, **wrong)
    reconcile(shop)
    effect = shop.effect("payment.compare")
    assert (effect.state, effect.code) == ("needs_human", why)
    assert shop.fresh(order).money == "reconcile_needed"
    shop.payments.sessions[reference] = right
    outbox.retry(effect, by=CY, at=timezone.now())
    shop.run("payment.compare")
    assert shop.effect("payment.compare").state == "done"


def test_a_payment_that_the_processor_never_heard_of_and_one_that_we_never_did(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.payments.sessions.pop(str(shop.payment(order).public_id))
    shop.payments.sessions["else"] = PaymentStatus("not-a-reference", "P-77", "captured", 500, captured_cents=500)
    row = reconcile(shop)
    assert (row.listed, row.agreed, row.to_compare, row.strays) == (1, 0, 1, 1)
    assert shop.effect("payment.compare").code == "not_at_processor"
    stray = shop.effect("payment.stray")
    assert (stray.state, stray.code, stray.reference) == ("needs_human", "stray_at_processor", "P-77")


def test_the_command_says_what_differs_and_ends_with_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order, day = shop.accepted(PRESCRIPTION), timezone.now().astimezone(UTC).date()
    reference = str(shop.payment(order).public_id)
    monkeypatch.setattr(command, "organization_ids", lambda: [shop.clinic.pk])
    out = StringIO()
    assert reconcile(shop).agreed == 1
    shop.payments.says(reference, "captured", captured_cents=1)
    with pytest.raises(CommandError):
        call_command("reconcile", day=day, stdout=out)
    assert "needing a person 1" in out.getvalue()


def test_yesterday_is_compared_once_by_itself(shop: Shop) -> None:
    at = timezone.now() + timedelta(days=1)
    assert reconciling.reconcile_yesterday(shop.clinic.pk, at) == 1
    shop.run("payment.reconcile")
    assert reconciling.reconcile_yesterday(shop.clinic.pk, at) == 0
    assert reconciling.reconcile_yesterday(shop.clinic.pk, at + timedelta(days=1)) == 1


# -- the ledger -------------------------------------------------------------------------------------------------------
def test_the_database_refuses_books_that_balance_over_two_orders_only(shop: Shop) -> None:
    first, second, at = shop.authorized(PRESCRIPTION), shop.authorized(PRESCRIPTION), timezone.now()
    entries = [
        LedgerEntry(organization=shop.clinic, order=order, cause="both", account=f"a{cents}", amount_cents=cents, at=at)
        for order, cents in ((first, 5), (second, -5))
    ]
    with pytest.raises(DatabaseError, match="sum to zero"):
        LedgerEntry.objects.bulk_create(entries)


def test_every_order_and_day_sums_to_zero_and_the_payments_say_the_same(shop: Shop) -> None:  # I4
    order = shop.accepted(PRESCRIPTION, DEVICE)
    shop.hears(shop.fulfillments(order)[0], "cancelled")
    shop.run()
    assert reconciling.crooked(shop.clinic.pk) == []
    assert ledger.balance(order, ledger.PROCESSOR) == 1480
    Payment.objects.filter(order=order).update(refunded_cents=0)
    assert [one.why for one in reconciling.crooked(shop.clinic.pk)] == ["payment"]


# -- keys -------------------------------------------------------------------------------------------------------------
def test_an_error_that_is_kept_under_our_key_is_looked_up_and_then_asked_under_another(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:  # REL-F20
    keys: Counter[str] = Counter()
    real = shop.payments._open

    def keeps_its_500(body: bytes, *, idempotency_key: str) -> Any:
        keys[idempotency_key] += 1
        if len(keys) == 1:
            return OutcomeUnknown("partner_failed")
        return real(json.loads(body))

    monkeypatch.setattr(shop.payments, "open", keeps_its_500)
    order = shop.place(PRESCRIPTION)
    services.start_payment(order=order, by=CY, at=timezone.now())
    assert len(shop.payments.sessions) == 0
    for _ in range(3):
        shop.later("payment.open")
        shop.run("payment.open")
    assert (list(keys.values()), len(shop.payments.sessions)) == ([1, 1], 1)
    assert shop.payment(order).state == "open"


# -- a hold that lapses (REL-F22) -------------------------------------------------------------------------------------
def test_a_hold_that_lapsed_sends_nothing_asks_the_patient_and_goes_on_when_they_paid(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    told(shop, order, "expired")
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("authorized", "none")
    shop.run()
    assert shop.pharmacy.placed == []
    assert "pay_again" in shop.told()
    assert ledger.balance(order, ledger.HELD) == 0
    shop.pay(shop.fresh(order))
    shop.run()
    assert len(shop.pharmacy.placed) == 1
    assert Payment.objects.filter(order=order).count() == 2


def test_a_hold_past_its_own_date_sends_nothing_and_is_looked_at(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    Payment.objects.filter(order=order).update(
        hold_ends_at=timezone.now() - timedelta(seconds=1), created_at=timezone.now() - timedelta(minutes=2)
    )
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert shop.effect("fulfillment.dispatch").code == "hold_ended"
    shop.later("payment.look")
    Effect.objects.filter(organization_id=shop.clinic.pk, kind="payment.look").update(
        changed_at=timezone.now() - timedelta(hours=1)
    )
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 1


def test_who_never_pays_again_gets_nothing_and_owes_nothing(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    told(shop, order, "expired")
    Effect.objects.filter(organization_id=shop.clinic.pk, kind="fulfillment.dispatch").update(
        deadline_at=timezone.now() - timedelta(seconds=1)
    )
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("refused", "none")
    assert shop.pharmacy.placed == []


# -- a refund that fails (REL-F23) ------------------------------------------------------------------------------------
def test_a_refused_refund_is_tried_for_three_days_then_a_person_and_the_patient_is_told(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.payments.faults.coming = [Refused("refused")] * 3
    shop.hears(shop.fulfillment(order), "cancelled")
    for _ in range(3):
        shop.run("payment.refund")
        assert shop.effect("payment.refund").code == "refund_refused"
        shop.later("payment.refund", seconds=7200)
    Effect.objects.filter(kind="payment.refund", organization_id=shop.clinic.pk).update(
        deadline_at=timezone.now() - timedelta(seconds=1)
    )
    shop.run()
    effect = shop.effect("payment.refund")
    assert (effect.state, effect.code) == ("needs_human", "refund_failed")
    assert "refund_late" in shop.events(order)
    assert "news" in shop.told()
    assert shop.fresh(order).money == "captured"


def test_a_refund_that_is_taken_at_the_third_try_is_one_refund(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.payments.faults.coming = [Refused("refused")] * 2
    shop.hears(shop.fulfillment(order), "cancelled")
    for _ in range(3):
        shop.run("payment.refund")
        shop.later("payment.refund", seconds=7200)
    assert shop.payments.acts[1:] == [("refund", 1480)]
    assert shop.fresh(order).money == "refunded"


# -- a dispute (REL-F24) ----------------------------------------------------------------------------------------------
def test_a_dispute_stops_what_has_not_left_and_moves_no_money(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    told(shop, order, "captured", disputed=True)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "disputed")
    assert shop.payments.acts == [("capture", 1480)]
    effect = shop.effect("payment.compare")
    assert (effect.state, effect.code) == ("needs_human", "payment_disputed")
    told(shop, order, "captured", disputed=False)
    shop.run()
    assert shop.payments.acts[1:] == [("refund", 1480)]
    assert shop.fresh(order).money == "refunded"


def test_a_dispute_about_what_was_delivered_changes_nothing_but_the_money(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "delivered")
    told(shop, order, "captured", disputed=True)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("delivered", "disputed")
