"""Cancelled by the patient, the clinic or the chart, at every stage (J7): what has not left is stopped."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import progress, services
from ehrcommerce.commerce.fulfillment.models import Shipment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import errors
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import receipts, retention
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.outcomes import NeedsHuman, TryAgain
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.models import Port
from ehrcommerce.suppliers.ports import ChartUnreachable, SupplyStatus
from tests.commerce.shop import CY, Shop


def cancel(order: Order) -> Order:
    return orders.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())


def keys_of(order: Order) -> list[str]:
    return list(OfferLine.objects.filter(offer=order.offer).values_list("order_key", flat=True))


def hear(shop: Shop, order: Order) -> int:
    return services.hear(organization_id=shop.clinic.pk, order_keys=keys_of(order), at=timezone.now())


def test_unpaid(shop: Shop) -> None:
    order = cancel(shop.place(PRESCRIPTION))
    assert (order.state, order.money) == ("cancelled", "none")
    assert cancel(order).state == "cancelled"


def test_paid_and_not_sent(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, DEVICE)
    cancel(order)
    shop.run()
    assert shop.pharmacy.placed == shop.devices.placed == []
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.told().count("cancelled") == 1


def test_sent_and_not_answered(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    cancel(order)
    assert shop.fresh(order).state == "cancel_requested"
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.pharmacy.orders[str(shop.fulfillment(order).public_id)].state == "cancelled"


def test_accepted_and_captured(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    cancel(order)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")
    assert shop.payments.acts == [("capture", 1480), ("refund", 1480)]


def test_in_the_post(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "shipped")
    with pytest.raises(errors.TooLate):
        cancel(order)


def test_it_left_while_we_asked(shop: Shop) -> None:  # the supplier says: already shipped
    order = shop.dispatched(PRESCRIPTION)
    shop.pharmacy.says(shop.fulfillment(order).public_id, "shipped")
    cancel(order)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("shipped", "captured")
    assert "cancel_too_late" in shop.events(order)


def test_while_the_answer_to_the_sending_is_in_doubt(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["drop"]
    shop.run("fulfillment.dispatch", rounds=1)
    cancel(order)
    assert shop.fresh(order).state == "cancel_requested"
    shop.later("fulfillment.dispatch")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert len(shop.pharmacy.placed) == 1


def test_while_the_sending_never_arrived(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch", rounds=1)
    cancel(order)
    for _ in range(3):
        shop.later()
        shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.pharmacy.placed == []


def stored_all_the_same(shop: Shop, order: Order) -> str:
    """A supplier that says "come back later", and keeps what it got."""
    reference = str(shop.fulfillment(order).public_id)
    shop.pharmacy.faults.coming = [TryAgain("partner_busy")]
    shop.run("fulfillment.dispatch", rounds=1)
    shop.pharmacy.orders[reference] = SupplyStatus(reference, "S-1", "dispatched")
    return reference


def test_stored_by_a_supplier_that_said_it_was_not(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    reference = stored_all_the_same(shop, order)
    cancel(order)
    assert shop.fresh(order).state == "cancel_requested"
    shop.later("fulfillment.dispatch")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.pharmacy.orders[reference].state == "cancelled"
    assert receipt_of(order) == "recalled"
    assert shop.pharmacy.placed == []


def test_tried_and_never_stored(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.orders.pop(stored_all_the_same(shop, order))
    cancel(order)
    shop.later("fulfillment.dispatch")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert receipt_of(order) == "planned"
    assert shop.pharmacy.placed == []


def test_news_of_a_sending_in_doubt_is_not_taken_for_the_answer_to_the_cancelling(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    reference = stored_all_the_same(shop, order)
    cancel(order)
    shop.look(shop.fulfillment(order))  # a callback comes first
    shop.later("fulfillment.dispatch")
    shop.run()
    assert shop.pharmacy.orders[reference].state == "cancelled"
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")


def test_a_supplier_that_goes_on_with_what_is_over_is_a_persons_work(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    cancel(order)
    reference = str(shop.fulfillment(order).public_id)
    shop.pharmacy.orders[reference] = SupplyStatus(reference, "S-1", "accepted")
    for _ in range(2):
        shop.look(shop.fulfillment(order))
    effect = shop.effect("fulfillment.look")
    assert (effect.state, effect.code) == ("needs_human", "alive_at_supplier")
    assert shop.fresh(order).state == "cancelled"
    assert shop.events(order).count("exception") == 1
    shop.pharmacy.says(reference, "cancelled")
    outbox.retry(effect, by=CY, at=timezone.now())
    shop.run("fulfillment.look")
    assert shop.effect("fulfillment.look").state == "done"


def test_a_parcel_that_comes_after_the_cancelling_is_a_persons_work(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    cancel(order)
    shop.run()
    assert shop.fresh(order).state == "cancelled"
    shop.pharmacy.says(shop.fulfillment(order).public_id, "shipped")
    shop.later("fulfillment.track")
    shop.run("fulfillment.track", rounds=1)
    assert (shop.effect("fulfillment.track").state, shop.effect("fulfillment.track").code) == (
        "needs_human", "alive_at_supplier",
    )  # fmt: skip
    assert "exception" in shop.events(order)


def test_between_the_check_and_the_sending(shop: Shop) -> None:  # REL-P20
    order = shop.authorized(PRESCRIPTION)
    shop.chart.while_reading = lambda: cancel(order)
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")


def test_a_lost_answer_to_the_cancelling(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.pharmacy.cancel_faults.coming = ["drop"]
    cancel(order)
    shop.run("fulfillment.cancel", rounds=1)
    assert shop.fresh(order).state == "cancel_requested"
    shop.later("fulfillment.cancel")
    shop.run()
    assert shop.fresh(order).state == "cancelled"


def test_a_cancelling_that_nobody_can_settle_is_a_persons_work(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.pharmacy.cancel_faults.coming = [NeedsHuman("not_authorized")]
    cancel(order)
    shop.run("fulfillment.cancel")
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("exception", "cancel_not_authorized")


def test_paid_on_one_page_and_cancelled_on_another_is_told(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    cancel(order)
    shop.payments.says(payment.public_id, "authorized")
    orders.look_at_payment(payment=payment, at=timezone.now())
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.told() == ["cancelled"]


def test_the_chart_stops_an_unpaid_order(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    shop.chart.refuse(keys_of(order)[0], "not_active")
    assert hear(shop, order) == 1
    shop.run()
    assert shop.fresh(order).state == "cancelled"
    with pytest.raises(errors.NothingToPay):
        orders.start_payment(order=order, by=CY, at=timezone.now())


def test_the_chart_stops_what_was_sent(shop: Shop) -> None:  # REL-P20
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.refuse(keys_of(order)[0], "not_active")
    hear(shop, order)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert "stopped" in shop.told()


def test_the_chart_stops_what_was_captured(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.chart.change(keys_of(order)[0], dose="5 g")
    hear(shop, order)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "refunded")


def test_the_chart_changed_between_the_sending_and_the_capture(shop: Shop) -> None:  # design law 7
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.refuse(keys_of(order)[0], "not_active")
    shop.hears(shop.fulfillment(order), "accepted")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.payments.acts == [("void", 0)]


def test_the_chart_changed_and_it_had_left(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.refuse(keys_of(order)[0], "not_active")
    shop.hears(shop.fulfillment(order), "accepted")
    shop.pharmacy.says(shop.fulfillment(order).public_id, "shipped")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("shipped", "captured")
    assert shop.payments.acts == [("capture", 1480)]


def test_a_hint_without_a_change_changes_nothing(shop: Shop) -> None:  # design law 6
    order = shop.dispatched(PRESCRIPTION)
    before = shop.events(order)
    for _ in range(3):
        hear(shop, order)
    shop.run()
    assert shop.events(order) == before


def test_a_hint_while_the_ehr_is_down_is_kept(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.chart.problem = ChartUnreachable()
    hear(shop, order)
    shop.run(rounds=1)
    assert shop.effect("fulfillment.recheck").state == "planned"
    shop.chart.problem = None
    shop.chart.refuse(keys_of(order)[0], "not_active")
    shop.later("fulfillment.recheck")
    shop.run()
    assert shop.fresh(order).state == "cancelled"


def test_a_hint_about_somebody_elses_order_finds_nothing(shop: Shop) -> None:
    shop.dispatched(PRESCRIPTION)
    assert services.hear(organization_id=shop.clinic.pk, order_keys=["key-unknown"], at=timezone.now()) == 0


def test_one_part_is_stopped_and_the_other_goes_on(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    with transaction.atomic():
        locked, mine = progress.lock(str(medicine.public_id))
        progress.stop(locked, mine, "clinic", code="order_stopped", by=CY, at=timezone.now())
    shop.hears(device, "accepted")
    assert shop.payments.acts == []
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("accepted", "captured")
    assert shop.payments.acts == [("capture", 6990)]


def test_two_at_once_cancel_once(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    cancel(order)
    cancel(order)
    shop.run()
    assert shop.effect("fulfillment.cancel").generation == 1
    assert outbox.run(str(shop.effect("fulfillment.cancel").public_id)) == ""


def receipt_of(order: Order) -> str:
    (receipt,) = receipts.of(order.organization_id, str(order.offer.public_id))
    return str(receipt.state)


def test_a_yes_that_is_taken_back_stops_what_can_be_stopped(shop: Shop) -> None:  # J8, REL-F54
    order, pharmacy = shop.dispatched(PRESCRIPTION), shop.supplier(Port.PHARMACY)
    assert receipt_of(order) == "sent"
    assert services.withdraw_consent(order=order, supplier=pharmacy, by=CY, at=timezone.now())
    assert not services.withdraw_consent(order=order, supplier=pharmacy, by=CY, at=timezone.now())
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert receipt_of(order) == "recalled"


def test_the_receipt_says_how_far_it_went(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "accepted")
    assert receipt_of(order) == "acknowledged"
    shop.pharmacy.says(shop.fulfillment(order).public_id, "shipped")
    cancel(order)
    shop.run()
    assert receipt_of(order) == "recall_refused"


def test_addresses_are_erased_two_weeks_after_the_end(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "returned", tracking_number="T-1")
    at = timezone.now()
    assert retention.run_one("addresses", shop.clinic.pk, at + timedelta(days=13)) == 0
    assert retention.run_one("addresses", shop.clinic.pk, at + timedelta(days=15)) == 2
    assert retention.run_one("addresses", shop.clinic.pk, at + timedelta(days=15)) == 0
    assert shop.fresh(order).ship_to == {}
    assert Shipment.objects.get(fulfillment=shop.fulfillment(order)).tracking_number == ""
