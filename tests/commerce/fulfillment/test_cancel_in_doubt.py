"""A supplier was asked to cancel, and nobody knows what it does: no money is taken for that part until somebody does."""

from django.db import transaction
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import progress
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.outcomes import NeedsHuman, Refused
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from tests.commerce.shop import CY, Shop


def cancel(order: Order) -> Order:
    return orders.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())


def in_doubt(shop: Shop, *kinds: str) -> Order:
    """An order of which the medicine was asked back, and nobody knows what the pharmacy does with it."""
    order = shop.dispatched(*kinds)
    shop.pharmacy.cancel_faults.coming = [NeedsHuman("not_authorized")]
    with transaction.atomic():
        locked, medicine = progress.lock(str(shop.fulfillments(order)[-1].public_id))
        progress.stop(locked, medicine, "clinic", code="order_stopped", by=CY, at=timezone.now())
    shop.run("fulfillment.cancel")
    return order


def test_no_money_is_taken_for_a_part_whose_cancelling_is_in_doubt(shop: Shop) -> None:
    order = in_doubt(shop, PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    shop.hears(device, "accepted")
    shop.hears(medicine, "accepted")  # that it works on it is no answer to the cancel
    shop.run()
    assert shop.payments.acts == []
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("exception", "authorized")
    shop.pharmacy.says(medicine.public_id, "cancelled")
    shop.look(medicine)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("accepted", "captured")
    assert shop.payments.acts == [("capture", 6990)]


def test_a_capture_that_was_planned_before_the_doubt_is_not_sent(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted")  # its capture waits
    shop.pharmacy.cancel_faults.coming = [Refused("not_found")]
    cancel(order)
    shop.run("fulfillment.cancel")
    assert shop.fulfillment(order).state == "exception"
    shop.run()
    assert (shop.payments.acts, shop.fresh(order).money) == ([], "authorized")


def test_a_cancelling_in_doubt_is_settled_by_a_second_try(shop: Shop) -> None:
    order = in_doubt(shop, PRESCRIPTION)
    outbox.retry(shop.effect("fulfillment.cancel"), by=CY, at=timezone.now())
    for _ in range(3):
        shop.later("fulfillment.cancel")
        shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")


def test_a_parcel_that_left_in_spite_of_a_cancelling_in_doubt_is_paid(shop: Shop) -> None:
    order = in_doubt(shop, PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "shipped")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("shipped", "captured")


def test_what_is_asked_back_is_not_sent_again_by_a_retry(shop: Shop) -> None:
    order = in_doubt(shop, PRESCRIPTION)
    outbox.plan_next(
        kind="fulfillment.dispatch", subject=str(shop.fulfillment(order).public_id), organization_id=shop.clinic.pk,
        at=timezone.now(),
    )  # fmt: skip
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == 1
    assert shop.fulfillment(order).state == "exception"
