"""What nobody announces is found by the clock."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.commerce.orders import chores, services
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import PRESCRIPTION
from tests.commerce.shop import CY, Shop, minutes_ago


def looks(payment: Payment) -> int:
    return Effect.objects.filter(kind="payment.look", subject=str(payment.public_id)).count()


def test_a_callback_that_is_lost_for_ever_is_made_up(shop: Shop) -> None:  # REL-F21
    payment = services.start_payment(order=shop.place(PRESCRIPTION), by=CY, at=timezone.now())
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 0  # the patient is just paying
    Payment.objects.filter(pk=payment.pk).update(created_at=minutes_ago(2))
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 1
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 0  # one is planned
    shop.payments.says(payment.public_id, "authorized")
    shop.run("payment.look")
    assert shop.fresh(payment.order).state == "authorized"
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 0


def test_looks_grow_rarer_with_the_age_of_a_payment(shop: Shop) -> None:
    payment = services.start_payment(order=shop.place(PRESCRIPTION), by=CY, at=timezone.now())
    for age, pause in ((2, 1), (20, 5), (300, 30)):
        Payment.objects.filter(pk=payment.pk).update(created_at=minutes_ago(age))
        services.look_at_payment(payment=payment, at=timezone.now())
        at = timezone.now()
        assert chores.look_at_open_payments(shop.clinic.pk, at + timedelta(minutes=pause - 0.5)) == 0
        assert chores.look_at_open_payments(shop.clinic.pk, at + timedelta(minutes=pause + 0.5)) == 1
        shop.later("payment.look", seconds=7200)
        shop.run("payment.look")


def test_an_order_that_nobody_paid_in_a_week_is_over(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    assert chores.cancel_unpaid(shop.clinic.pk, timezone.now()) == 0
    Order.objects.filter(pk=order.pk).update(placed_at=timezone.now() - timedelta(days=8))
    assert chores.cancel_unpaid(shop.clinic.pk, timezone.now()) == 1
    assert shop.fresh(order).state == "cancelled"
    assert shop.events(order)[-1] == "cancelled"


def test_a_hundred_payments_that_wait_keep_no_other_from_being_looked_at(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "BATCH", 2)
    payments = [services.start_payment(order=shop.place(PRESCRIPTION), by=CY, at=timezone.now()) for _ in range(5)]
    Payment.objects.filter(pk__in=[one.pk for one in payments]).update(created_at=minutes_ago(20))
    found = [chores.look_at_open_payments(shop.clinic.pk, timezone.now()) for _ in range(4)]
    assert found == [2, 2, 1, 0]
    assert [looks(payment) for payment in payments] == [1] * 5
    shop.run("payment.look")
    assert chores.look_at_open_payments(shop.clinic.pk, timezone.now()) == 0
