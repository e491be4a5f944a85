"""What is lost, broken or came back goes out once more: through the same gate, without a cent, and never twice at a time."""

from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.checkout import tracker
from ehrcommerce.commerce.fulfillment import again, replacing, report
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment
from ehrcommerce.commerce.fulfillment.services import withdraw_consent
from ehrcommerce.commerce.orders import errors, ledger, services
from ehrcommerce.commerce.orders.models import LedgerEntry, Order
from ehrcommerce.disclosure import receipts
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import SupplyParcel
from tests.commerce.shop import CY, Shop


def lost(shop: Shop, *kinds: str) -> tuple[Order, Fulfillment]:
    """Paid, on its way, and then the supplier says that it does not arrive."""
    order = shop.accepted(*(kinds or (DEVICE,)))
    part = shop.fulfillments(order)[0]
    shop.hears(part, "shipped", tracking_number="T-1", carrier="Post")
    shop.hears(part, "exception")
    shop.run()
    part.refresh_from_db()
    return shop.fresh(order), part


def again_please(shop: Shop, part: Fulfillment, reason: str = "lost", **how: Any) -> Fulfillment:
    return replacing.replace(
        fulfillment=part, reason=reason, by=shop.ada.actor, at=timezone.now(), **{"proof_held": True, **how}
    )


def queue(shop: Shop) -> list[str]:
    rows = Effect.objects.filter(organization_id=shop.clinic.pk, state="needs_human").order_by("pk")
    return list(rows.values_list("code", flat=True))


def test_a_lost_parcel_is_before_a_person_until_it_is_sent_again_or_arrives(shop: Shop) -> None:
    _order, part = lost(shop)
    assert queue(shop) == ["parcel_in_trouble"]
    again_please(shop, part)
    shop.run("fulfillment.return")
    assert queue(shop) == []
    other, part = lost(shop)
    shop.hears(part, "delivered")
    shop.run()
    assert (shop.fresh(other).state, queue(shop)) == ("delivered", [])


def test_it_goes_out_once_more_and_costs_nothing(shop: Shop) -> None:
    order, part = lost(shop)
    child = again_please(shop, part)
    assert shop.fresh(order).state == "authorized"
    shop.run()
    assert len(shop.devices.placed) == 2
    assert shop.fresh(order).state == "dispatched"
    for state in ("accepted", "shipped", "delivered"):
        shop.hears(Fulfillment.objects.get(pk=child.pk), state)
        shop.run()
    order = shop.fresh(order)
    assert (order.state, order.money, shop.payments.acts) == ("delivered", "captured", [("capture", 6990)])
    assert ledger.balance(order, ledger.PROCESSOR) == 6990
    (entry,) = LedgerEntry.objects.filter(order=order, cause__startswith="replacement:")
    assert entry.amount_cents == 0
    assert shop.told()[-3:] == ["news", "shipped", "delivered"]
    assert [row.recipient for row in receipts.of(shop.clinic.pk, str(order.offer.public_id))] == [
        part.supplier.party, part.supplier.party,
    ]  # fmt: skip
    (row,) = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="fulfillment.replaced")
    assert (row.reason, row.actor) == ("lost", str(shop.ada.actor))


def test_two_presses_are_one_and_what_has_not_left_is_not_sent_again(shop: Shop) -> None:
    _, part = lost(shop)
    again_please(shop, part)
    with pytest.raises(errors.NotReplaceable):
        again_please(shop, part)
    waiting = shop.fulfillment(shop.accepted(DEVICE))
    with pytest.raises(errors.NotReplaceable):
        again_please(shop, waiting)


def test_a_replacement_that_is_lost_too_is_sent_again_from_there(shop: Shop) -> None:
    order, part = lost(shop)
    child = again_please(shop, part)
    shop.run()
    for state in ("shipped", "exception"):
        shop.hears(Fulfillment.objects.get(pk=child.pk), state)
        shop.run()
    third = again_please(shop, Fulfillment.objects.get(pk=child.pk))
    shop.run()
    shop.hears(Fulfillment.objects.get(pk=third.pk), "delivered")
    assert (shop.fresh(order).state, len(shop.devices.placed)) == ("delivered", 3)


@pytest.mark.parametrize("refusal", ["not_active", "changed"])
def test_the_chart_is_read_again_and_can_stop_it(shop: Shop, refusal: str) -> None:
    order, part = lost(shop, PRESCRIPTION)
    again_please(shop, part)
    for key in list(shop.chart.orders):
        shop.chart.refuse(key, "not_active") if refusal == "not_active" else shop.chart.change(key, dose="5.0 g")
    shop.run()
    assert len(shop.pharmacy.placed) == 1
    assert shop.fresh(order).state == "exception"
    assert queue(shop) == ["replacement_failed"]
    assert shop.payments.acts == [("capture", 1480)]


def test_a_medicine_needs_its_proof_once_more(shop: Shop) -> None:
    _, part = lost(shop, PRESCRIPTION)
    with pytest.raises(errors.ProofMissing):
        again_please(shop, part, proof_held=False)
    shop.run()
    assert len(shop.pharmacy.placed) == 1


def test_consent_agreement_and_licence_hold_for_it_too(shop: Shop) -> None:
    order, part = lost(shop)
    Supplier.objects.filter(pk=part.supplier_id).update(licensed_states="OR")
    with pytest.raises(errors.SupplierGone):
        again_please(shop, part)
    Supplier.objects.filter(pk=part.supplier_id).update(licensed_states="")
    child = again_please(shop, part)
    withdraw_consent(order=order, supplier=part.supplier, by=CY, at=timezone.now())
    shop.run()
    assert (len(shop.devices.placed), Fulfillment.objects.get(pk=child.pk).state) == (1, "cancelled")


def test_what_was_paid_back_is_not_sent_for_nothing(shop: Shop) -> None:
    order, part = lost(shop)
    services.give_back(order=order, reason="operator", by=CY, at=timezone.now())
    shop.run()
    with pytest.raises(errors.NotPaidFor):
        again_please(shop, part)


@pytest.mark.parametrize("first_read", ["the_lost_one", "its_replacement"])
def test_stock_is_held_for_it_and_let_go_where_it_does_not_leave(
    shop: Shop, first_read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if first_read == "its_replacement":  # a row that was written again may come later, where nobody says in which order
        monkeypatch.setattr(Fulfillment._meta, "ordering", ["-pk"])
    order, part = lost(shop)
    product = order.lines.get().offer_line.product
    Product.objects.filter(pk=product.pk).update(in_stock=1)
    again_please(shop, part)
    product.refresh_from_db()
    assert product.in_stock == 0
    services.cancel_order(order=shop.fresh(order), reason="operator", by=CY, at=timezone.now())
    shop.run()
    product.refresh_from_db()
    assert (product.in_stock, shop.fresh(order).state, queue(shop)) == (1, "exception", ["replacement_failed"])
    Product.objects.filter(pk=product.pk).update(in_stock=0)
    with pytest.raises(errors.SoldOut):
        again_please(shop, part)


def test_a_supplier_that_has_no_other_one_moves_no_money_and_a_person_decides(shop: Shop) -> None:
    order, part = lost(shop)
    child = again_please(shop, part)
    shop.run()
    shop.hears(Fulfillment.objects.get(pk=child.pk), "refused", reason="out_of_stock")
    shop.run()
    assert (queue(shop), shop.payments.acts) == (["replacement_failed"], [("capture", 6990)])
    services.give_back(order=shop.fresh(order), reason="operator", by=CY, at=timezone.now())
    shop.run()
    shop.later("fulfillment.return")
    assert shop.payments.acts[-1] == ("refund", 6990)


# -- the patient ------------------------------------------------------------------------------------------------------
def test_the_patient_may_ask_and_a_person_decides(shop: Shop) -> None:
    order, part = lost(shop)
    assert tracker.replacement(order) == {"sent_again": False, "may_ask": True, "asked_again": False}
    assert [replacing.ask_for(order=order, by=CY, at=timezone.now()) for _ in range(2)] == [1, 0]
    shop.run()
    shop.later("fulfillment.return")
    shop.run()
    assert len(shop.devices.placed) == 1
    assert tracker.replacement(order)["asked_again"]
    again_please(shop, part)
    assert tracker.replacement(shop.fresh(order)) == {"sent_again": True, "may_ask": False, "asked_again": False}
    assert [step.look for step in tracker.steps_of(shop.fresh(order))] == ["done", "now", "next", "next", "next"]


# -- one parcel of several -------------------------------------------------------------------------------------------
def in_two_parcels(shop: Shop) -> tuple[Order, Fulfillment, list[str]]:
    order = shop.accepted(DEVICE, DEVICE)
    part = shop.fulfillment(order)
    skus = [line.offer_line.sold_as for line in order.lines.order_by("pk")]
    both = tuple(SupplyParcel(f"T-{number}", "Post", "shipped", (sku,)) for number, sku in enumerate(skus))
    shop.hears(part, "shipped", parcels=both)
    part.refresh_from_db()
    return order, part, skus


def says(shop: Shop, part: Fulfillment, skus: list[str], *states: str, whole: str = "shipped") -> None:
    told = tuple(
        SupplyParcel(f"T-{n}", "Post", state, (sku,)) for n, (sku, state) in enumerate(zip(skus, states, strict=True))
    )
    shop.hears(part, whole, parcels=told)
    shop.run()


@pytest.mark.parametrize(("rule", "acts"), [("full", [("refund", 6990)]), ("person", [])])
def test_one_parcel_of_two_that_came_back_is_settled_by_itself(shop: Shop, rule: str, acts: list[Any]) -> None:
    Organization.objects.filter(pk=shop.clinic.pk).update(return_refunds=rule)
    _order, part, skus = in_two_parcels(shop)
    for _ in range(2):
        says(shop, part, skus, "delivered", "returned")
    assert shop.payments.acts[1:] == acts
    assert queue(shop) == ([] if acts else ["return_to_decide"])
    assert shop.told().count("returned") == 1


def test_only_what_was_in_the_lost_parcel_is_sent_again(shop: Shop) -> None:
    order, part, skus = in_two_parcels(shop)
    names = [one.words for one in again.replaceable(shop.fresh(order))]
    assert len(names) == 3
    child = again_please(shop, part, parcel=Shipment.objects.filter(fulfillment=part).order_by("pk")[1])
    assert [line.order_line.offer_line.sold_as for line in child.lines.all()] == skus[1:]
    shop.run()
    shop.hears(Fulfillment.objects.get(pk=child.pk), "delivered")
    says(shop, part, skus, "delivered", "shipped", whole="delivered")
    assert shop.fresh(order).state == "delivered"
    assert [row.state for row in Shipment.objects.filter(fulfillment=part).order_by("pk")] == ["delivered", "lost"]


def test_a_supplier_that_says_delivered_while_one_of_its_parcels_is_not_is_not_believed(shop: Shop) -> None:
    order, part, skus = in_two_parcels(shop)
    says(shop, part, skus, "delivered", "shipped", whole="delivered")
    assert (shop.fresh(order).state, tracker.parcels_of(order)) == ("shipped", (1, 2))
    says(shop, part, skus, "delivered", "delivered", whole="delivered")
    assert (shop.fresh(order).state, tracker.parcels_of(order)) == ("delivered", (2, 2))


def test_a_supplier_that_lists_parcels_without_a_state_is_believed_for_the_whole(shop: Shop) -> None:
    order, part, skus = in_two_parcels(shop)
    says(shop, part, skus, "shipped", "shipped", whole="delivered")
    assert shop.fresh(order).state == "delivered"


def words(shop: Shop, monkeypatch: pytest.MonkeyPatch, **said: str) -> None:
    monkeypatch.setattr(shop.carrier, "track", lambda number: said.get(number.replace("-", "_"), ""))


def test_the_carrier_is_asked_for_every_parcel_and_all_of_them_make_it_delivered(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, _part, _ = in_two_parcels(shop)
    shop.add_supplier(Port.CARRIER)
    words(shop, monkeypatch, T_0="delivered", T_1="shipped")
    shop.later("fulfillment.track")
    shop.run("fulfillment.track", rounds=1)
    assert (shop.fresh(order).state, tracker.parcels_of(order)) == ("shipped", (1, 2))
    words(shop, monkeypatch, T_1="unknown")
    shop.later("fulfillment.track")
    shop.run("fulfillment.track", rounds=1)
    assert shop.fresh(order).state == "shipped"
    words(shop, monkeypatch, T_1="delivered")
    shop.later("fulfillment.track")
    shop.run("fulfillment.track", rounds=1)
    assert (shop.fresh(order).state, tracker.parcels_of(order)) == ("delivered", (2, 2))


def test_one_of_two_that_the_carrier_lost_is_a_persons_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order, part, _ = in_two_parcels(shop)
    words(shop, monkeypatch, T_0="delivered", T_1="exception")
    shop.later("fulfillment.track")
    shop.run("fulfillment.track", rounds=1)
    shop.run()
    assert (shop.fresh(order).state, queue(shop)) == ("exception", ["parcel_in_trouble"])
    child = again_please(shop, part, parcel=Shipment.objects.get(fulfillment=part, state="exception"))
    shop.run()
    shop.hears(Fulfillment.objects.get(pk=child.pk), "delivered")
    assert shop.fresh(order).state == "delivered"


def test_the_chart_is_told_how_the_part_stands_that_goes_out_anew(shop: Shop) -> None:
    order, part = lost(shop)
    (line,) = order.lines.all()
    effect = Effect(kind="chart.report", subject=f"{line.public_id}:dispatched")
    assert report._line(effect).fulfillment == part
    child = again_please(shop, part)
    assert report._line(effect).fulfillment == child
    Fulfillment.objects.filter(pk=child.pk).update(state="cancelled")
    assert report._line(effect).fulfillment == part
