"""The last look and the one sending: what must hold before an order leaves, and what happens when it does not."""

import json
from datetime import date
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from ehrcommerce.accounts.models import Agreement
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.fulfillment import payloads, services
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.disclosure import consent, receipts
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import NeedsHuman, Refused, TryAgain
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, ShipTo
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable
from tests.commerce.shop import CY, HOME, Shop


def key_of(shop: Shop, kind: str) -> str:
    return OfferLine.objects.filter(organization=shop.clinic, kind=kind).latest("pk").order_key


def body(shop: Shop, port: str = "pharmacy") -> dict[str, Any]:
    """What a supplier was sent last."""
    return dict(json.loads(getattr(shop, port).placed[-1][1]))


def test_each_supplier_gets_its_order_once_and_only_its_own_lines(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE, KIT)
    assert [len(double.placed) for double in (shop.pharmacy, shop.devices, shop.lab)] == [1, 1, 1]
    assert order.state == "dispatched"
    shop.run()
    assert [len(double.placed) for double in (shop.pharmacy, shop.devices, shop.lab)] == [1, 1, 1]


def test_each_hop_gets_less(shop: Shop) -> None:
    shop.dispatched(PRESCRIPTION, DEVICE, KIT)
    (medicine,) = body(shop)["lines"]
    (mask,) = body(shop, "devices")["lines"]
    (kit,) = body(shop, "lab")["lines"]
    assert medicine["facts"]["dose"] == "0.50 g"  # REL-P18: text, with its own zeros
    assert medicine["facts"]["routing_proof"] == "e_prescription"
    assert medicine["facts"]["orderer_npi"] == "1234567893"
    assert body(shop)["person"] == {"name": "Cy Rivera", "birth_date": "1980-02-29"}
    assert (mask["description"], mask["facts"]) == ("size: medium", {})
    assert (kit["description"], kit["facts"]) == ("", {})
    assert body(shop, "devices")["person"] is body(shop, "lab")["person"] is None
    assert "Lund" not in json.dumps(body(shop, "devices"))
    assert "HbA1c" not in json.dumps(body(shop, "lab"))


def test_the_receipt_names_elements_and_is_written_before_anything_goes(shop: Shop) -> None:
    order = shop.authorized(KIT)
    subject = str(order.offer.public_id)
    (planned,) = receipts.of(shop.clinic.pk, subject)
    assert planned.state == "planned"
    assert "ServiceRequest" not in planned.elements
    shop.run("fulfillment.dispatch")
    (sent,) = receipts.of(shop.clinic.pk, subject)
    assert (sent.pk, sent.state) == (planned.pk, "sent")
    assert bytes(sent.payload_digest) == bytes(shop.fulfillment(order).payload_digest or b"")


def test_the_intent_is_audited_before_the_call(shop: Shop) -> None:  # design law 9
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch")
    entity = f"fulfillment:{shop.fulfillment(order).public_id}"
    event = AuditEvent.objects.get(entity=entity, action="fulfillment.sending")
    assert "Patient.birthDate" in event.elements
    assert event.recipient == shop.supplier(Port.PHARMACY).party


def test_an_audit_that_fails_means_that_nothing_goes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:  # REL-P36
    order = shop.authorized(PRESCRIPTION)

    def fails(**_: object) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr("ehrcommerce.commerce.fulfillment.dispatch.audit.record", fails)
    with pytest.raises(RuntimeError):
        shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert shop.effect("fulfillment.dispatch").state == "planned"
    assert shop.fresh(order).state == "gated"


def test_a_medicine_that_was_changed_in_the_chart_does_not_ship(shop: Shop) -> None:  # REL-P21
    order = shop.authorized(PRESCRIPTION)
    shop.chart.change(key_of(shop, PRESCRIPTION), dose="5 g")
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert shop.fulfillment(order).reason == "order_changed"
    assert "order_stopped" in shop.events(order)
    assert shop.told() == ["paid", "stopped"]


@pytest.mark.parametrize("refusal", ["not_active", "on_hold", "entered_in_error", "restricted_label"])
def test_an_order_that_the_chart_stopped_does_not_ship(shop: Shop, refusal: str) -> None:  # REL-P20
    order = shop.authorized(PRESCRIPTION)
    shop.chart.refuse(key_of(shop, PRESCRIPTION), refusal)
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("cancelled", refusal)


def test_an_order_that_is_gone_from_the_chart_does_not_ship(shop: Shop) -> None:  # REL-F28
    order = shop.authorized(PRESCRIPTION)
    shop.chart.orders.clear()
    shop.run()
    assert shop.pharmacy.placed == []
    assert shop.fulfillment(order).reason == "order_gone"


def test_a_new_version_without_a_clinical_change_ships(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.chart.change(key_of(shop, PRESCRIPTION))
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == 1
    assert list(shop.fulfillment(order).checked_versions.values()) == ["2"]


def test_one_stopped_medicine_does_not_stop_the_mask(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, DEVICE)
    shop.chart.refuse(key_of(shop, PRESCRIPTION), "not_active")
    shop.run("fulfillment.dispatch")
    device = next(one for one in shop.fulfillments(order) if one.kind == DEVICE)
    shop.hears(device, "accepted")
    shop.run()
    assert shop.payments.acts == [("capture", 6990)]
    assert shop.fresh(order).state == "accepted"


def test_a_chart_that_cannot_be_read_makes_the_order_wait(shop: Shop) -> None:  # REL-P15
    order = shop.authorized(PRESCRIPTION)
    shop.chart.problem = ChartUnreachable()
    for _ in range(7):
        shop.later("fulfillment.dispatch")
        shop.run("fulfillment.dispatch", rounds=1)
    effect = shop.effect("fulfillment.dispatch")
    assert (effect.state, effect.code) == ("planned", "chart_unreachable")
    assert shop.pharmacy.placed == []
    shop.chart.problem = None
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert shop.fresh(order).state == "dispatched"


def test_a_chart_that_may_not_be_read_is_a_persons_work(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.chart.problem = ChartNotPermitted()
    shop.run("fulfillment.dispatch")
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("exception", "chart_not_permitted")
    shop.chart.problem = None
    retry(shop, "fulfillment.dispatch")
    assert shop.fresh(order).state == "dispatched"


def retry(shop: Shop, kind: str) -> None:
    outbox.retry(shop.effect(kind), by=Actor("user", "op"), at=timezone.now())
    shop.run(kind)


def test_an_event_between_the_check_and_the_sending_asks_again(shop: Shop) -> None:  # design law 7
    order = shop.authorized(PRESCRIPTION)
    key = key_of(shop, PRESCRIPTION)

    def once() -> None:
        shop.chart.while_reading = None
        hear(shop, key)

    shop.chart.while_reading = once
    shop.run("fulfillment.dispatch", rounds=1)
    assert shop.pharmacy.placed == []
    assert shop.effect("fulfillment.dispatch").code == "chart_event"
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == 1
    assert shop.fresh(order).state == "dispatched"


def hear(shop: Shop, *keys: str) -> int:
    return services.hear(organization_id=shop.clinic.pk, order_keys=keys, at=timezone.now())


def test_a_check_that_is_too_old_is_made_again(shop: Shop) -> None:
    shop.authorized(PRESCRIPTION)
    with override_settings(FRESHNESS_S=-1):
        shop.run("fulfillment.dispatch", rounds=1)
    assert shop.effect("fulfillment.dispatch").code == "check_too_old"
    assert shop.pharmacy.placed == []


def test_without_a_consent_nothing_goes(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, consented=False)
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("cancelled", "no_consent")
    assert shop.fresh(order).money == "voided"


def test_a_consent_that_was_taken_back_stops_the_sending(shop: Shop) -> None:  # REL-F54
    order = shop.authorized(PRESCRIPTION)
    consent.withdraw(
        organization_id=shop.clinic.pk,
        subject=str(order.offer.public_id),
        recipient=shop.supplier(Port.PHARMACY).party,
        by=CY,
        at=timezone.now(),
    )
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []


def test_without_a_live_agreement_nothing_goes(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    Agreement.objects.filter(party=shop.supplier(Port.PHARMACY).party).update(expires=date(2026, 1, 2))
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("exception", "no_agreement")


def test_a_supplier_without_a_license_for_the_state_is_not_chosen(shop: Shop) -> None:
    first = shop.supplier(Port.PHARMACY)
    Supplier.objects.filter(pk=first.pk).update(licensed_states="OR, CA")
    order = shop.authorized(PRESCRIPTION, DEVICE)
    assert [one.kind for one in shop.fulfillments(order)] == [DEVICE]
    assert "refused" in shop.events(order)
    shop.run("fulfillment.notify")
    assert shop.told() == ["paid", "news"]
    second = shop.add_supplier(Port.PHARMACY, licensed_states="wa")
    other = shop.authorized(PRESCRIPTION)
    assert shop.fulfillment(other).supplier == second


def test_nobody_may_ship_there_so_the_order_is_refused_and_the_hold_given_back(shop: Shop) -> None:
    Supplier.objects.filter(pk=shop.supplier(Port.PHARMACY).pk).update(licensed_states="OR")
    order = shop.authorized(PRESCRIPTION)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("refused", "voided")
    assert shop.told() == ["refused"]


def test_a_license_that_ended_since_is_seen_at_the_last_line(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    Supplier.objects.filter(pk=shop.supplier(Port.PHARMACY).pk).update(licensed_states="OR")
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert shop.fulfillment(order).reason == "not_licensed"


def test_a_patient_who_may_get_no_medicine_gets_none(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.chart.person = None
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert shop.fulfillment(order).reason == "patient_not_served"


def test_other_bytes_than_the_patient_agreed_to_do_not_go(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    order.ship_to = {**order.ship_to, "line": "somewhere else"}
    order.save()
    shop.run("fulfillment.dispatch")
    assert shop.devices.placed == []
    assert shop.fulfillment(order).reason == "payload_changed"


def test_a_lost_answer_is_found_by_our_reference(shop: Shop) -> None:  # REL-F5
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["drop"]
    shop.run("fulfillment.dispatch", rounds=1)
    assert shop.effect("fulfillment.dispatch").state == "unknown"
    assert shop.fresh(order).state == "gated"
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == 1
    assert shop.fulfillment(order).supplier_reference == "S-1"


def test_a_question_that_never_arrived_is_sent_again_with_the_same_key(shop: Shop) -> None:
    shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch", rounds=1)
    key = shop.effect("fulfillment.dispatch").idempotency_key
    for _ in range(2):
        shop.later("fulfillment.dispatch")
        shop.run("fulfillment.dispatch", rounds=1)
    assert [placed[0] for placed in shop.pharmacy.placed] == [key]


def test_what_is_not_found_at_once_may_still_be_on_its_way(shop: Shop) -> None:
    shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = ["lost"]
    shop.run("fulfillment.dispatch", rounds=1)
    Effect.objects.filter(pk=shop.effect("fulfillment.dispatch").pk).update(next_run_at=timezone.now())
    shop.run("fulfillment.dispatch", rounds=1)
    effect = shop.effect("fulfillment.dispatch")
    assert (effect.state, effect.code) == ("unknown", "not_found_yet")


def test_a_supplier_that_says_no_ends_in_a_void(shop: Shop) -> None:  # REL-F9
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = [Refused("unknown_sku")]
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("refused", "voided")
    assert shop.fulfillment(order).reason == "unknown_sku"


def test_a_supplier_that_does_not_know_our_key_keeps_the_order_for_a_person(shop: Shop) -> None:  # REL-F10
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = [NeedsHuman("not_authorized")]
    shop.run("fulfillment.dispatch")
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("exception", "authorized")


def test_a_busy_supplier_is_asked_again_when_it_said(shop: Shop) -> None:  # REL-F11
    shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = [TryAgain("partner_busy", after_s=120)]
    shop.run("fulfillment.dispatch")
    effect = shop.effect("fulfillment.dispatch")
    wait = (effect.next_run_at - timezone.now()).total_seconds() if effect.next_run_at else 0
    assert 100 < wait <= 120


@pytest.mark.parametrize(
    ("changes", "reason"), [({"controlled_schedule": "II"}, "controlled"), ({"active": False}, "not_sold")]
)
def test_what_the_catalog_sells_no_more_does_not_ship(shop: Shop, changes: dict[str, Any], reason: str) -> None:
    order = shop.authorized(PRESCRIPTION)
    Product.objects.filter(organization=shop.clinic).update(**changes)
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("cancelled", reason)
    assert shop.fresh(order).money == "voided"


def test_a_payment_that_is_in_doubt_holds_the_goods(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.payments.says(shop.payment(order).public_id, "authorized", amount_cents=3)
    orders.look_at_payment(payment=shop.payment(order), at=timezone.now())
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert shop.fulfillment(order).reason == "no_payment"


def test_begin_twice_is_once(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    assert services.begin(order, timezone.now()) == []
    assert Fulfillment.objects.filter(order=order).count() == 1


def test_effect_bytes_are_blanked_when_it_is_over(shop: Shop) -> None:
    shop.dispatched(PRESCRIPTION)
    assert bytes(shop.effect("fulfillment.dispatch").body) == b""


def test_what_the_table_does_not_give_a_hop_is_not_in_its_payload() -> None:
    assert payloads.fields_for(KIT) == frozenset()
    assert payloads.fields_for(DEVICE) == {"parameters"}
    assert "key" not in payloads.fields_for(PRESCRIPTION)
    assert {"dose", "directions", "orderer_npi"} <= payloads.fields_for(PRESCRIPTION)


def test_the_digest_leaves_the_person_out(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    request = payloads.request_for(order, list(order.lines.all()), kind=PRESCRIPTION, reference="r")
    person = shop.chart.person
    assert payloads.digest(request) == payloads.digest(payloads.with_person(request, person))
    assert request.ship_to == HOME == ShipTo(**order.ship_to)
