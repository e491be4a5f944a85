"""Seven years in the life of one clinic: each class goes when its time has come, not before; open orders, holds and what
a refund reopened keep what they need; certificates count what went."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import erasing
from ehrcommerce.commerce.fulfillment.models import Shipment
from ehrcommerce.commerce.offers.models import Contact, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import ledger
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import holds, retention
from ehrcommerce.disclosure.models import Consent, Disclosure, PurgeCertificate
from ehrcommerce.ehr.models import ChartReference
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.vault.models import DataKey
from tests import factories
from tests.commerce.shop import CY, Shop


def completed(shop: Shop, *kinds: str) -> Order:
    order = shop.accepted(*kinds)
    for part in shop.fulfillments(order):
        shop.hears(part, "shipped", carrier="UPS", tracking_number="1Z999")
        shop.hears(part, "delivered")
    shop.run()
    PurchaseLink.objects.filter(offer=order.offer).update(state="completed", ended_at=timezone.now())
    Order.objects.filter(pk=order.pk).update(state="completed", changed_at=timezone.now())
    return shop.fresh(order)


def left(shop: Shop, order: Order) -> dict[str, bool]:
    """What of one order can still be read."""
    offer = Offer.objects.get(pk=order.offer_id)
    key = DataKey.objects.get(scope=offer.public_id)
    return {
        "contact": any(bool(one.value) and bool(one.masked) for one in Contact.objects.filter(offer=offer)),
        "address": bool(shop.fresh(order).ship_to),
        "parcel": any(bool(one.tracking_number) for one in Shipment.objects.filter(fulfillment__order=order)),
        "packet": any(bool(one.packet) for one in OfferLine.objects.filter(offer=offer)),
        "key": key.destroyed_at is None,
        "digest": bool(offer.birth_digest),
        "receipts": Disclosure.objects.filter(subject=str(offer.public_id)).exists(),
        "consents": Consent.objects.filter(subject=str(offer.public_id)).exists(),
        "whose": bool(offer.customer_key),
    }


def gone(shop: Shop, order: Order) -> set[str]:
    return {name for name, there in left(shop, order).items() if not there}


def run(shop: Shop, at: datetime) -> None:
    """All rules, some of which make others due."""
    for _ in range(2):
        retention.run(shop.clinic.pk, at)


def test_each_class_goes_in_its_time(shop: Shop) -> None:
    order, now = completed(shop, PRESCRIPTION, DEVICE), timezone.now()
    taken = [ledger.balance(order, account) for account in ("held", "processor", "patient")]
    seen: dict[int, set[str]] = {}
    for days in (6, 8, 13, 15, 29, 31, 2190, 2195, 7 * 366):
        run(shop, now + timedelta(days=days))
        seen[days] = gone(shop, order)
    week, fortnight, month = {"contact", "digest"}, {"address", "parcel"}, {"packet", "key"}
    assert seen[6] == set()
    assert seen[8] == seen[13] == week
    assert seen[15] == seen[29] == week | fortnight
    assert seen[31] == seen[2190] == week | fortnight | month
    assert seen[2195] == seen[7 * 366] == {*left(shop, order)}
    assert [ledger.balance(order, account) for account in ("held", "processor", "patient")] == taken
    assert bytes(OfferLine.objects.filter(offer=order.offer).first().digest)  # type: ignore[union-attr]
    audit.seal(organization_id=shop.clinic.pk)
    assert audit.breaks(organization_id=shop.clinic.pk) == ()


def test_an_open_order_is_not_touched_in_seven_years(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    run(shop, timezone.now() + timedelta(days=7 * 366))
    assert gone(shop, order) <= {"parcel", "receipts", "consents"}  # no parcel yet; receipts go by their own six years


def test_money_in_doubt_keeps_a_completed_order_open(shop: Shop) -> None:
    order = completed(shop, DEVICE)
    Order.objects.filter(pk=order.pk).update(money="disputed")
    run(shop, timezone.now() + timedelta(days=60))
    assert gone(shop, order) == set()


def test_a_legal_hold_keeps_everything_and_then_nothing_more(shop: Shop) -> None:
    order, at = completed(shop, DEVICE), timezone.now() + timedelta(days=7 * 366)
    key = order.offer.customer_key
    hold = holds.place(organization_id=shop.clinic.pk, customer_key=key, why="case 7", by=CY, at=timezone.now())
    run(shop, at)
    assert gone(shop, order) == set()
    holds.release(hold, by=CY, at=at)
    run(shop, at)
    assert gone(shop, order) == {*left(shop, order)}


@pytest.mark.parametrize("change", [{"state": "returned"}, {"money": "reconcile_needed"}])
def test_a_purge_that_meets_an_order_which_a_refund_reopens_leaves_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    """It was due when the batch was chosen; the refund commits before the purge has the lock."""
    order, later = completed(shop, DEVICE), timezone.now() + timedelta(days=60)
    lock = erasing.lock_orders

    def reopened(orders: Any) -> Any:
        Order.objects.filter(pk=order.pk).update(changed_at=later, **change)
        return lock(orders)

    monkeypatch.setattr(erasing, "lock_orders", reopened)
    run(shop, later)
    assert {"packet", "key", "contact", "address", "parcel"} & gone(shop, order) == set()


def test_a_dry_run_counts_what_the_run_then_erases_and_changes_nothing(shop: Shop) -> None:
    order, at = completed(shop, PRESCRIPTION, DEVICE), timezone.now() + timedelta(days=31)
    counts = retention.due(shop.clinic.pk, at)
    assert gone(shop, order) == set()
    assert counts["packets"] == 2
    assert counts["contacts"] == 1
    assert counts["addresses"] == 3
    for name in sorted(retention.RULES):
        assert retention.run_one(name, shop.clinic.pk, at) >= counts[name]
    certified = {row.rule: row.rows for row in PurgeCertificate.objects.filter(organization=shop.clinic)}
    assert {name: certified[name] for name in ("packets", "contacts", "addresses")} == {
        "packets": 2, "contacts": 1, "addresses": 3,
    }  # fmt: skip
    assert PurgeCertificate.objects.get(organization=shop.clinic, rule="packets").kept == "offer"


def test_more_than_one_batch_is_erased_in_one_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(erasing, "BATCH", 2)
    for _ in range(5):
        link = shop.link(DEVICE)
        PurchaseLink.objects.filter(pk=link.pk).update(state="expired", ended_at=timezone.now())
    at = timezone.now() + timedelta(days=8)
    assert retention.due(shop.clinic.pk, at)["contacts"] == 5
    assert retention.run_one("contacts", shop.clinic.pk, at) == 5
    assert PurgeCertificate.objects.filter(organization=shop.clinic, rule="contacts").count() == 3


def test_the_command_shows_counts_and_classes(shop: Shop) -> None:
    order = completed(shop, DEVICE)
    with connection.cursor() as cursor:
        for table, column in (
            ("offers_offer", "created_at"), ("orders_order", "changed_at"), ("offers_purchaselink", "ended_at"),
        ):  # fmt: skip
            cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '40 days' WHERE organization_id = %s",
                           [shop.clinic.pk])  # fmt: skip
    out = StringIO()
    call_command("retention", "--dry-run", f"--organization={shop.clinic.pk}", stdout=out)
    assert "      1  packets  (encrypted until the order ends, then 30 days)" in out.getvalue()
    assert "rows would lose a value." in out.getvalue()
    assert gone(shop, order) == set()
    call_command("retention", f"--organization={shop.clinic.pk}", stdout=out)
    assert {"packet", "key", "contact", "address"} <= gone(shop, order)


def test_the_way_back_into_the_chart_goes_with_the_last_words(shop: Shop) -> None:
    order, now = completed(shop, DEVICE), timezone.now()
    line = OfferLine.objects.get(offer=order.offer)
    made = factories.ehr_connection(shop.clinic)
    for key in (line.order_key, order.offer.customer_key):
        ChartReference.objects.create(
            organization=shop.clinic, connection=made, key=key, resource_type="DeviceRequest", resource_id="r-1",
            patient_id="p-1", created_at=now,
        )  # fmt: skip
    run(shop, now + timedelta(days=29))
    assert ChartReference.objects.filter(organization=shop.clinic).count() == 2
    run(shop, now + timedelta(days=31))
    assert not ChartReference.objects.filter(organization=shop.clinic).exists()
