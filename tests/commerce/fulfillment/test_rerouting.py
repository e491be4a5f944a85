"""Another address or another supplier, before anything was sent: asked for by the patient, at the same price, with every
check that the first one passed, and once however often it is pressed."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Agreement
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog.models import ShippingRule
from ehrcommerce.commerce.fulfillment import rerouting
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import errors, settling
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION, ShipTo
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.orders.test_money_in_doubt import in_doubt
from tests.commerce.shop import CY, HOME, Shop

OTHER = replace(HOME, line="7 Birch Ave")


def readdress(shop: Shop, order: Order, to: ShipTo = OTHER) -> bool:
    return rerouting.change_address(
        order=order, ship_to=to, reason="patient_asked", by=shop.ada.actor, at=timezone.now()
    )


def move(shop: Shop, part: Fulfillment, to: Supplier | None = None) -> str:
    return rerouting.reassign(fulfillment=part, to=to, reason="supplier_fails", by=shop.ada.actor, at=timezone.now())


def sent_to(shop: Shop) -> list[str]:
    return [json.loads(body)["ship_to"]["line"] for _, body in shop.devices.placed]


# -- address ----------------------------------------------------------------------------------------------------------
def test_what_was_not_sent_goes_to_the_new_address_once(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    assert [readdress(shop, order), readdress(shop, order)] == [True, False]
    shop.run()
    assert sent_to(shop) == ["7 Birch Ave"]
    (row,) = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="order.address_changed")
    assert (row.reason, "Birch" in json.dumps([row.reason, row.entity, row.recipient])) == ("patient_asked", False)


def test_bytes_with_the_old_address_that_are_being_made_do_not_go_out(shop: Shop) -> None:
    """The change comes between the reading and the last line."""
    order = shop.authorized(DEVICE)
    shop.chart.while_reading = lambda: _once(shop, lambda: readdress(shop, order))
    shop.run()
    assert sent_to(shop) == ["7 Birch Ave"]


def _once(shop: Shop, act: Any) -> None:
    shop.chart.while_reading = None
    act()


def test_what_lies_with_a_supplier_or_may_keeps_its_address(shop: Shop) -> None:
    order = shop.dispatched(DEVICE)
    with pytest.raises(errors.TooLateToChange):
        readdress(shop, order)
    other = shop.authorized(DEVICE)
    shop.devices.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch", rounds=1)
    with pytest.raises(errors.TooLateToChange):
        readdress(shop, other)


def test_another_price_an_unlicensed_state_and_half_an_address_change_nothing(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    for bad in (replace(OTHER, postal_code="9850"), replace(OTHER, line=" "), replace(OTHER, state="Wash")):
        with pytest.raises(errors.AddressIncomplete):
            readdress(shop, order, bad)
    Supplier.objects.filter(organization=shop.clinic, port=Port.DEVICE).update(licensed_states="WA")
    with pytest.raises(errors.SupplierGone):
        readdress(shop, order, replace(OTHER, state="OR", postal_code="97201"))
    Supplier.objects.filter(organization=shop.clinic, port=Port.DEVICE).update(licensed_states="")
    ShippingRule.objects.filter(organization=shop.clinic).update(fee_cents=999)
    with pytest.raises(errors.PriceWouldChange):
        readdress(shop, order)
    assert shop.fresh(order).ship_to["line"] == HOME.line


# -- supplier ---------------------------------------------------------------------------------------------------------
def second(shop: Shop, port: Port = Port.DEVICE, **changes: Any) -> Supplier:
    return shop.add_supplier(port, name="The other one", **changes)


def stuck(shop: Shop) -> Fulfillment:
    """Its supplier does not take our key: it waits for a person."""
    order = shop.authorized(DEVICE)
    Supplier.objects.filter(pk=shop.fulfillment(order).supplier_id).update(active=False)
    shop.run()
    assert shop.effect("fulfillment.dispatch").state == "needs_human"
    return shop.fulfillment(order)


def test_with_a_yes_it_goes_to_the_other_one_and_once(shop: Shop) -> None:
    part = stuck(shop)
    to = second(shop)
    shop.consent(part.order.offer, [DEVICE])
    assert [move(shop, part), move(shop, part, to)] == ["done", "done"]
    shop.run()
    assert (len(shop.devices.placed), shop.fulfillment(part.order).supplier) == (1, to)
    assert shop.events(part.order).count("reassigned") == 1
    with pytest.raises(errors.TooLateToChange):
        move(shop, part)


def test_without_a_yes_the_patient_is_asked_and_nothing_goes(shop: Shop) -> None:
    part = stuck(shop)
    to = second(shop)
    assert [move(shop, part), move(shop, part)] == ["asked", "asked"]
    shop.run()
    assert (shop.devices.placed, shop.told().count("news")) == ([], 1)
    (asked,) = rerouting.asked_of(shop.fresh(part.order))
    assert asked.asked_supplier == to
    shop.consent(part.order.offer, [DEVICE])
    assert move(shop, part, to) == "done"
    shop.run()
    assert len(shop.devices.placed) == 1
    assert rerouting.asked_of(shop.fresh(part.order)) == []


@pytest.mark.parametrize("why", ["licensed_states", "active", "agreement"])
def test_nobody_who_may_not_fill_it_does(shop: Shop, why: str) -> None:
    part = stuck(shop)
    to = second(shop, licensed_states="OR" if why == "licensed_states" else "")
    shop.consent(part.order.offer, [DEVICE])
    if why == "active":
        Supplier.objects.filter(pk=to.pk).update(active=False)
    if why == "agreement":
        Agreement.objects.filter(organization=shop.clinic, party=to.party).delete()
    with pytest.raises(errors.SupplierGone):
        move(shop, part, to)


def test_a_medicine_passes_every_check_again_at_the_other_pharmacy(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    part = shop.fulfillment(order)
    second(shop, Port.PHARMACY)
    shop.consent(order.offer, [PRESCRIPTION])
    assert move(shop, part) == "done"
    for key in list(shop.chart.orders):
        shop.chart.refuse(key, "not_active")
    shop.run()
    assert (shop.pharmacy.placed, shop.fresh(order).state) == ([], "cancelled")


# -- the books --------------------------------------------------------------------------------------------------------
def test_the_books_are_right_only_where_the_processor_says_so_too(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    in_doubt(shop, order)
    Payment.objects.filter(order=order).update(captured_cents=6989)
    with pytest.raises(errors.BooksDiffer):
        settling.books_agree(order=order, reason="compared", by=CY, at=timezone.now())
    Payment.objects.filter(order=order).update(captured_cents=6990)
    settling.books_agree(order=order, reason="compared", by=CY, at=timezone.now())
    assert shop.fresh(order).money == "captured"


def test_retry_pressed_twice_is_one_order(shop: Shop) -> None:  # REL-F66, P32
    part = stuck(shop)
    Supplier.objects.filter(pk=part.supplier_id).update(active=True)
    for effect in Effect.objects.filter(organization_id=shop.clinic.pk, kind="fulfillment.dispatch"):
        outbox.retry(effect, by=CY, at=timezone.now())
        outbox.retry(effect, by=CY, at=timezone.now())
    shop.run()
    assert len(shop.devices.placed) == 1
