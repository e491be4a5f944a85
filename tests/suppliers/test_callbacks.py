"""Signed hints: what is taken, what is not, and that none of it moves anything but a question to the partner."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import progress
from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment, tracking_digest
from ehrcommerce.commerce.fulfillment.views import supplier_callback
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.views import payment_callback
from ehrcommerce.outbox import chores
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import PRESCRIPTION
from ehrcommerce.suppliers import callbacks
from ehrcommerce.suppliers.models import CallbackSeen, FileAck, Port, Supplier
from ehrcommerce.suppliers.ports import SupplyStatus
from ehrcommerce.vault import walls
from tests.commerce.shop import CY, Shop


def post(
    view: Any,
    supplier: Supplier,
    body: bytes,
    *,
    secret: str = "s3cret",
    event: str = "",
    age_s: int = 0,
    **headers: str,
) -> HttpResponse:
    """As a partner would, with nobody's walls entered."""
    event, stamp = event or uuid4().hex, str(int(timezone.now().timestamp()) - age_s)
    signed = {
        "X-Event-Id": event,
        "X-Timestamp": stamp,
        "X-Signature": callbacks.signature(secret, event, stamp, body),
        **headers,
    }
    request = RequestFactory().post("/hooks/", body, content_type="application/json", headers=signed)
    before = walls.current()
    walls.leave()
    try:
        return view(request, supplier_id=supplier.public_id)  # type: ignore[no-any-return]
    finally:
        walls.enter(before)


def about(reference: object) -> bytes:
    return json.dumps({"id": "e", "type": "order.accepted", "reference": str(reference), "status": "accepted"}).encode()


def looks(shop: Shop, kind: str) -> int:
    return Effect.objects.filter(organization_id=shop.clinic.pk, kind=kind).count()


def test_a_callback_makes_us_ask_and_believes_nothing(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    reference = shop.fulfillment(order).public_id
    answer = post(supplier_callback, shop.supplier(Port.PHARMACY), about(reference))
    assert (answer.status_code, answer.content) == (200, b"")
    shop.run("fulfillment.look")
    assert shop.fresh(order).state == "dispatched"  # the body said accepted; the supplier, asked, does not
    shop.pharmacy.says(reference, "accepted")
    post(supplier_callback, shop.supplier(Port.PHARMACY), about(reference))
    shop.run("fulfillment.look")
    assert shop.fresh(order).state == "accepted"


def test_a_replay_is_nothing(shop: Shop) -> None:  # REL-P28
    order = shop.dispatched(PRESCRIPTION)
    body = about(shop.fulfillment(order).public_id)
    for _ in range(3):
        assert post(supplier_callback, shop.supplier(Port.PHARMACY), body, event="once").status_code == 200
    assert looks(shop, "fulfillment.look") == 1
    assert CallbackSeen.objects.filter(event_id="once").count() == 1


@pytest.mark.parametrize(
    "how",
    [
        {"secret": "other"},
        {"age_s": 301},
        {"age_s": -302},
        {"X-Signature": ""},
        {"X-Signature": "v1=é"},
        {"X-Signature": "v0=" + "0" * 64},
        {"X-Timestamp": "1e9"},
        {"X-Timestamp": "٣" * 10},
        {"X-Event-Id": ""},
        {"X-Event-Id": "x" * 129},
    ],
)
def test_a_forged_or_old_callback_changes_nothing(shop: Shop, how: dict[str, Any]) -> None:  # REL-P14
    order = shop.dispatched(PRESCRIPTION)
    seen = CallbackSeen.objects.count()
    answer = post(supplier_callback, shop.supplier(Port.PHARMACY), about(shop.fulfillment(order).public_id), **how)
    assert answer.status_code == 401
    assert looks(shop, "fulfillment.look") == 0
    assert CallbackSeen.objects.count() == seen


def test_a_body_that_was_touched_is_refused(shop: Shop) -> None:
    supplier, body = shop.supplier(Port.PHARMACY), about(uuid4())
    stamp = str(int(timezone.now().timestamp()))
    signature = callbacks.signature("s3cret", "e", stamp, body)
    headers = {"X-Event-Id": "e", "X-Timestamp": stamp, "X-Signature": signature}
    with pytest.raises(callbacks.CallbackRefused):
        callbacks.verify(body + b" ", headers, supplier, timezone.now())


def test_while_the_secret_is_changed_both_are_good(shop: Shop) -> None:  # REL-F35
    supplier = shop.supplier(Port.PHARMACY)
    supplier.callback_secret, supplier.previous_callback_secret = "new", "s3cret"
    supplier.save()
    assert post(supplier_callback, supplier, about(uuid4()), secret="s3cret").status_code == 200
    assert post(supplier_callback, supplier, about(uuid4()), secret="new").status_code == 200
    assert post(supplier_callback, supplier, about(uuid4()), secret="").status_code == 401


def test_a_supplier_without_a_secret_cannot_call(shop: Shop) -> None:
    supplier = shop.supplier(Port.PHARMACY)
    supplier.callback_secret = ""
    supplier.save()
    assert post(supplier_callback, supplier, about(uuid4()), secret="").status_code == 401


def test_nobody_elses_door(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    reference = shop.fulfillment(order).public_id
    devices = shop.supplier(Port.DEVICE)
    assert post(supplier_callback, devices, about(reference)).status_code == 200
    assert looks(shop, "fulfillment.look") == 0
    assert post(supplier_callback, shop.supplier(Port.PAYMENT), about(reference)).status_code == 401
    assert post(payment_callback, shop.supplier(Port.PHARMACY), about(reference)).status_code == 401
    assert post(supplier_callback, Supplier(public_id=uuid4()), about(reference)).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not json", b"{}", b'{"reference": 7}', b'{"reference": "x"}', b"[" * 5000]
)
def test_a_signed_body_that_says_nothing_is_nothing(shop: Shop, body: bytes) -> None:
    assert post(supplier_callback, shop.supplier(Port.PHARMACY), body).status_code == 200
    assert looks(shop, "fulfillment.look") == 0


def test_a_body_that_is_too_long_is_not_read(shop: Shop) -> None:  # REL-F34
    answer = post(supplier_callback, shop.supplier(Port.PHARMACY), b" " * (callbacks.MAX_BYTES + 1))
    assert answer.status_code == 413


def test_a_callback_is_a_post(shop: Shop) -> None:
    request = RequestFactory().get("/hooks/")
    assert supplier_callback(request, supplier_id=uuid4()).status_code == 405


def test_a_paying_patient_who_never_comes_back_has_paid(shop: Shop) -> None:
    order = shop.place(PRESCRIPTION)
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized")
    assert post(payment_callback, shop.supplier(Port.PAYMENT), about(payment.public_id)).status_code == 200
    shop.run("payment.look")
    assert shop.fresh(order).state == "authorized"


def test_a_payment_callback_before_our_own_answer_is_harmless(shop: Shop) -> None:  # REL-P25
    order = shop.place(PRESCRIPTION)
    shop.payments.faults.coming = ["drop"]
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    shop.payments.says(payment.public_id, "authorized")
    post(payment_callback, shop.supplier(Port.PAYMENT), about(payment.public_id))
    shop.run("payment.look")
    shop.later("payment.open")
    shop.run("payment.open")
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("authorized", "authorized")
    assert shop.payment(order).state == "authorized"
    assert shop.events(order).count("payment_authorized") == 1


def test_a_hint_during_a_look_brings_another_look(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    reference = shop.fulfillment(order).public_id
    post(supplier_callback, shop.supplier(Port.PHARMACY), about(reference))
    first = shop.effect("fulfillment.look")
    post(supplier_callback, shop.supplier(Port.PHARMACY), about(reference))
    assert looks(shop, "fulfillment.look") == 1  # one that waits will see all there is
    Effect.objects.filter(pk=first.pk).update(lease_until=timezone.now() + timedelta(seconds=60))
    post(supplier_callback, shop.supplier(Port.PHARMACY), about(reference))
    assert looks(shop, "fulfillment.look") == 2  # one under way may have read before


def test_event_ids_are_kept_a_month(shop: Shop) -> None:
    supplier = shop.supplier(Port.PHARMACY)
    post(supplier_callback, supplier, about(uuid4()))
    assert callbacks.forget(shop.clinic.pk, timezone.now() + timedelta(days=29)) == 0
    assert callbacks.forget(shop.clinic.pk, timezone.now() + timedelta(days=31)) == 1


def test_numbers_of_parcels_in_answers_are_forgotten_and_the_answers_later(shop: Shop) -> None:
    supplier, at = shop.supplier(Port.DEVICE), timezone.now()
    FileAck(organization=shop.clinic, supplier=supplier, reference=uuid4(), sku="A", status="shipped", at=at,
            tracking_number="T-1", row_digest=b"r" * 32).save()  # fmt: skip
    callbacks.forget(shop.clinic.pk, at + timedelta(days=89))
    assert FileAck.objects.get(supplier=supplier).tracking_number == "T-1"
    assert callbacks.forget(shop.clinic.pk, at + timedelta(days=91)) == 1
    assert FileAck.objects.get(supplier=supplier).tracking_number == ""
    callbacks.forget(shop.clinic.pk, at + timedelta(days=800))
    assert not FileAck.objects.filter(supplier=supplier).exists()


def parcel_of(shop: Shop, *numbers: str) -> Fulfillment:
    """An order on its way in parcels of these numbers."""
    fulfillment = shop.fulfillment(shop.accepted("device"))
    with transaction.atomic():
        order, locked = progress.lock(str(fulfillment.public_id))
        news = SupplyStatus(str(locked.public_id), "D-1", "shipped", tracking_number=numbers[0])
        progress.apply(order, locked, news, at=timezone.now())
    for number in numbers[1:]:
        Shipment(organization=shop.clinic, fulfillment=locked, shipped_at=timezone.now(), tracking_number=number).save()
    return locked


def told(number: str) -> bytes:
    return json.dumps({"number": number, "status": "delivered"}).encode()


def carrier(shop: Shop) -> Supplier:
    """Signs like the others."""
    row = shop.supplier(Port.CARRIER)
    row.callback_secret = "s3cret"
    row.save()
    return row


@pytest.mark.parametrize("written", ["SP 1234 5678", "sp-12345678", "SP12345678"])
def test_a_carrier_s_word_finds_its_parcel_by_the_blind_index_and_the_carrier_is_asked(shop: Shop, written: str) -> None:
    fulfillment = parcel_of(shop, "SP 1234 5678")
    assert post(supplier_callback, carrier(shop), told(written)).status_code == 200
    shop.run("fulfillment.look_parcel")
    assert shop.fulfillment(fulfillment.order).state == "shipped"  # the body said delivered; the carrier knows nothing
    shop.carrier.word = "delivered"
    post(supplier_callback, carrier(shop), told(written))
    shop.run("fulfillment.look_parcel")
    assert shop.fulfillment(fulfillment.order).state == "delivered"


def test_of_several_parcels_one_does_not_speak_for_the_order(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fulfillment = parcel_of(shop, "SP1", "SP2")
    for there, ends in ((("SP2",), "shipped"), (("SP1", "SP2"), "delivered")):
        monkeypatch.setattr(shop.carrier, "track", lambda number, there=there: "delivered" if number in there else "")
        assert post(supplier_callback, carrier(shop), told("SP2")).status_code == 200
        shop.run("fulfillment.look_parcel")
        assert shop.fulfillment(fulfillment.order).state == ends


def test_a_number_of_nobody_or_of_another_clinic_and_a_forged_word_plan_nothing(shop: Shop) -> None:
    fulfillment = parcel_of(shop, "SP1")
    for body in (told("SP2"), told(""), b"[]", json.dumps({"number": 7}).encode()):
        assert post(supplier_callback, carrier(shop), body).status_code == 200
    assert post(supplier_callback, carrier(shop), told("SP1"), secret="other").status_code == 401
    assert tracking_digest(shop.clinic.pk, "SP1") != tracking_digest(shop.clinic.pk + 1, "SP1")
    assert looks(shop, "fulfillment.look_parcel") == 0
    parcel = fulfillment.shipments.get()
    parcel.tracking_number = ""
    parcel.save(update_fields=["tracking_number"])
    assert not Shipment.objects.get(pk=parcel.pk).tracking_digest
    post(supplier_callback, carrier(shop), told("SP1"))
    assert looks(shop, "fulfillment.look_parcel") == 0


def test_a_parcel_from_before_the_index_is_found_after_an_hour(shop: Shop) -> None:
    parcel_of(shop, "SP1")
    Shipment.objects.filter(organization=shop.clinic).update(tracking_digest=b"")
    assert chores.CHORES["parcel digests"].work(shop.clinic.pk, timezone.now()) == 1
    assert bytes(Shipment.objects.get().tracking_digest) == tracking_digest(shop.clinic.pk, "SP1")
    assert chores.CHORES["parcel digests"].work(shop.clinic.pk, timezone.now()) == 0
