"""The next fill: its day, what is asked of the chart on that day, and that nobody ever gets one more than was allowed.
[J6, REL-P23]"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from ehrcommerce.audit.services import system
from ehrcommerce.commerce.catalog.models import ProductCode
from ehrcommerce.commerce.offers.models import Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import errors, fills, services
from ehrcommerce.commerce.orders.models import Fill, Order
from ehrcommerce.disclosure import door
from ehrcommerce.ehr import forgetting, references, refills
from ehrcommerce.ehr.models import ChartReference, Refill
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.vault import walls
from ehrcommerce.vault.fields import Sealed
from tests.commerce.shop import CY, HOME
from tests.disclosure.charts import patient, prescription
from tests.events.conftest import Ward, at_version

RX = ("MedicationRequest", "rx-1")


def rx(**dispense: Any) -> dict[str, Any]:
    """60 tablets for 30 days, twice more."""
    said = {
        "quantity": {"value": "60", "unit": "tablet"}, "numberOfRepeatsAllowed": "2",
        "expectedSupplyDuration": {"value": "30", "unit": "days"}, **dispense,
    }  # fmt: skip
    written = (timezone.now() - timedelta(days=40)).date().isoformat()
    return prescription(
        authoredOn=written, dispenseRequest={name: one for name, one in said.items() if one is not None}
    )


def sold(ward: Ward, **dispense: Any) -> Order:
    """The first fill, paid and delivered today."""
    ward.ehr.put(at_version(rx(**dispense), 3), patient())
    product = ward.shop.product("prescription", quantity_basis="60 tablets")
    ProductCode.objects.create(
        organization=ward.shop.clinic,
        product=product,
        system="http://www.nlm.nih.gov/research/umls/rxnorm",
        code="861007",
    )
    order = ward.paid("prescription", RX)
    OfferLine.objects.filter(offer=order.offer).update(product=product, sku=product.sku)
    return delivered(ward, order)


def delivered(ward: Ward, order: Order) -> Order:
    from ehrcommerce.commerce.fulfillment.models import Fulfillment

    Fulfillment.objects.filter(order=order).update(state="delivered")
    Order.objects.filter(pk=order.pk).update(state="delivered", changed_at=timezone.now())
    return ward.shop.fresh(order)


def planned(ward: Ward) -> Refill:
    refills.plan_due(ward.shop.clinic.pk, timezone.now())
    return Refill.objects.filter(organization=ward.shop.clinic).latest("pk")


def on_its_day(ward: Ward) -> Refill:
    """A month later."""
    ward.shop.later(refills.KIND, seconds=30 * 86400)
    ward.shop.run(refills.KIND, rounds=1)
    ward.shop.later(refills.KIND, seconds=60)
    ward.shop.run()
    return Refill.objects.filter(organization=ward.shop.clinic).latest("pk")


def effect(ward: Ward) -> Effect:
    return ward.shop.effect(refills.KIND)


# -- its day -----------------------------------------------------------------------------------------------------------
def test_its_day_is_supply_less_transit_less_some_days(ward: Ward) -> None:
    from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment

    order = sold(ward)
    at = timezone.now()
    parcel = Shipment(
        organization=ward.shop.clinic, fulfillment=Fulfillment.objects.get(order=order), tracking_number="1Z",
        shipped_at=at - timedelta(days=3), delivered_at=at,
    )  # fmt: skip
    parcel.save()
    row = planned(ward)
    assert (row.number, row.allowed, row.days_supply, row.transit_days) == (2, 3, 30, 3)
    assert row.due_at == at + timedelta(days=30 - 3) - refills.LEAD
    assert effect(ward).next_run_at == row.due_at
    assert refills.plan_due(ward.shop.clinic.pk, at) == 0, "once"


@pytest.mark.parametrize("dispense", [{"expectedSupplyDuration": None}])
def test_where_nobody_says_how_long_it_lasts_no_day_is_guessed(ward: Ward, dispense: dict[str, Any]) -> None:
    sold(ward, **dispense)
    row = planned(ward)
    assert (row.state, row.code) == ("ended", "supply_not_known")
    assert not Effect.objects.filter(organization_id=ward.shop.clinic.pk, kind=refills.KIND).exists()


@pytest.mark.parametrize(("timing", "said", "own", "days"), [
    ("2 per 1 d", "30", 90, 30), ("2 per 1 d", "", 90, 90), ("2 per 1 d, as needed", "30", 90, 0), ("", "", None, 0),
    ("", "0", None, 0), ("", "9000", None, 0), ("", "thirty", 28, 28),
])  # fmt: skip
def test_days_of_supply(ward: Ward, timing: str, said: str, own: int | None, days: int) -> None:
    from dataclasses import replace

    from tests.commerce.shop import medicine

    product = ward.shop.product("prescription", days_supply=own)
    assert refills.days_of(replace(medicine("k"), timing=timing, days_supply=said), product) == days


# -- on its day --------------------------------------------------------------------------------------------------------
def test_on_its_day_the_patient_gets_a_link_to_the_same_again(ward: Ward) -> None:
    order = sold(ward)
    planned(ward)
    ward.ehr.asked.clear()
    row = on_its_day(ward)
    assert (row.state, row.number) == ("offered", 2)
    assert "GET MedicationRequest/rx-1" in ward.reads(), "read again first"
    assert row.offer is not None
    offer = Offer.objects.get(pk=row.offer.pk)
    assert offer.after == order.offer
    line = OfferLine.objects.get(offer=offer)
    assert (line.routing_proof, line.order_key) == ("e_prescription", order.offer.lines.get().order_key)
    assert PurchaseLink.objects.get(offer=offer).state == "sent"
    assert len(ward.shop.messenger.sent) >= 1
    assert Order.objects.filter(offer=offer).count() == 0, "nothing is ordered before the patient presses"


def test_two_sweepers_at_once_offer_one_refill(ward: Ward) -> None:
    sold(ward)
    planned(ward)
    ward.shop.later(refills.KIND, seconds=30 * 86400)
    subject = str(effect(ward).public_id)
    _together([lambda: outbox.run(subject)] * 3, ward)
    Effect.objects.filter(public_id=subject).update(state="planned", next_run_at=timezone.now(), lease_until=None)
    outbox.run(subject)
    assert Refill.objects.filter(organization=ward.shop.clinic, state="offered").count() == 1
    assert Offer.objects.filter(organization=ward.shop.clinic).exclude(after=None).count() == 1


@pytest.mark.parametrize(("change", "code", "asks"), [
    ({"status": "stopped"}, "not_active", False), ({"status": "on-hold"}, "on_hold", False),
    ({"dosageInstruction": [{"text": "Take 2 tablets twice daily"}]}, "refill_changed", True),
    ({"authoredOn": "2020-01-05"}, "too_old", True),
])  # fmt: skip
def test_what_changed_in_the_chart_ends_it(ward: Ward, change: dict[str, Any], code: str, asks: bool) -> None:
    sold(ward)
    planned(ward)
    ward.ehr.put(at_version({**rx(), **change}, 4))
    row = on_its_day(ward)
    assert (row.state, row.code) == ("ended", code)
    assert (effect(ward).state == "needs_human") is asks
    assert Offer.objects.filter(organization=ward.shop.clinic).exclude(after=None).count() == 0


def test_past_its_last_day_no_refill_is_offered(ward: Ward) -> None:
    """The chart's validity period, which was right when the first fill was sold."""
    last = (timezone.now() - timedelta(days=1)).date().isoformat()
    sold(ward)
    planned(ward)
    ward.ehr.put(at_version(rx(validityPeriod={"end": last}), 4))
    row = on_its_day(ward)
    assert (row.state, row.code) == ("ended", "expired")


def test_when_it_is_exhausted_a_clinician_hears_of_it(ward: Ward) -> None:
    sold(ward, numberOfRepeatsAllowed="0")
    row = planned(ward)
    assert (row.number, row.allowed) == (2, 1)
    row = on_its_day(ward)
    assert (row.state, row.code) == ("ended", "no_refills_left")
    assert (effect(ward).state, effect(ward).code) == ("needs_human", "no_refills_left")


def test_nobody_is_reminded_of_what_was_just_ordered(ward: Ward) -> None:
    order = sold(ward)
    planned(ward)
    again(ward, order)
    row = on_its_day(ward)
    assert (row.state, row.code) == ("ended", "already_offered")


def test_the_way_into_the_chart_is_kept_while_a_fill_is_to_come(ward: Ward) -> None:
    order = sold(ward)
    planned(ward)
    OfferLine.objects.filter(organization=ward.shop.clinic).update(packet=Sealed(b""))
    ChartReference.objects.filter(organization=ward.shop.clinic).update(created_at=timezone.now() - timedelta(days=90))
    forgetting.erase_references(ward.shop.clinic.pk, timezone.now())
    key = order.offer.lines.get().order_key
    assert set(references.find(organization_id=ward.shop.clinic.pk, keys=[key, order.offer.customer_key])) == {
        key, order.offer.customer_key,
    }  # fmt: skip
    Refill.objects.filter(organization=ward.shop.clinic).update(state="ended")
    forgetting.erase_references(ward.shop.clinic.pk, timezone.now())
    assert references.find(organization_id=ward.shop.clinic.pk, keys=[key]) == {}


# -- never one too many (P23) ------------------------------------------------------------------------------------------
def again(ward: Ward, order: Order) -> PurchaseLink:
    """Another verified link to the same prescription of the chart, however it came about."""
    access = ward.access()
    key = access.key_of(*RX)
    found = door.disclose_orders(access, {key: RX}, by=system("tests"), at=timezone.now())[key]
    assert found is not None
    link = ward.shop.link("prescription")
    line = OfferLine.objects.get(offer=link.offer)
    line.order_key, line.digest, line.packet = key, digest(found.item), as_json(found.item)
    line.save()
    link.offer.customer_key = access.customer_key
    link.offer.save()
    return link


def place(ward: Ward, link: PurchaseLink) -> Order:
    return services.place_order(
        link=link, quote=ward.shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
    )


def _together(acts: "list[Callable[[], object]]", ward: Ward) -> list[object]:
    together, said = threading.Barrier(len(acts)), list[object]()

    def run(act: Callable[[], object]) -> None:
        walls.enter(ward.shop.clinic.pk)
        try:
            together.wait(60)
            said.append(act())
        except errors.OrderProblem as problem:
            said.append(type(problem).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return said


def test_three_fills_are_sold_and_not_a_fourth(ward: Ward) -> None:
    order = sold(ward)
    for _ in range(2):
        delivered(ward, place(ward, again(ward, order)))
    with pytest.raises(errors.NoFillLeft):
        place(ward, again(ward, order))
    line = order.offer.lines.get()
    key = line.order_key
    assert fills.filled(line) == 3
    assert sorted(Fill.objects.filter(order_key=key).values_list("number", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize("at_once", [2, 5])
def test_orders_at_once_get_no_more_than_the_prescriber_allowed(ward: Ward, at_once: int) -> None:
    """Links of a refill, of a second tab, of another clinician: one is left, all press."""
    order = sold(ward, numberOfRepeatsAllowed="1")
    links = [again(ward, order) for _ in range(at_once)]
    said = _together([lambda link=link: place(ward, link) for link in links], ward)  # type: ignore[misc]
    assert sorted(map(str, said)).count("NoFillLeft") == at_once - 1
    key = order.offer.lines.get().order_key
    assert Fill.objects.filter(order_key=key, released_at=None).count() == 2


def test_what_was_not_dispensed_may_be_ordered_again(ward: Ward) -> None:
    order = sold(ward, numberOfRepeatsAllowed="1")
    second = place(ward, again(ward, order))
    services.cancel_order(order=second, reason="patient", by=CY, at=timezone.now())
    third = place(ward, again(ward, order))
    assert third.state == "quoted"
    with pytest.raises(errors.NoFillLeft):
        place(ward, again(ward, order))


def test_the_database_itself_refuses_one_too_many(ward: Ward) -> None:
    order = sold(ward, numberOfRepeatsAllowed="0")
    fill = Fill.objects.get(line__order=order)
    for changes in ({"number": 2}, {"number": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Fill.objects.filter(pk=fill.pk).update(**changes)
    link = again(ward, order)
    Order.objects.filter(pk=order.pk).update(state="cancelled")
    fills.release(ward.shop.fresh(order), at=timezone.now())
    other = place(ward, link)
    with pytest.raises(IntegrityError), transaction.atomic():
        Fill.objects.filter(pk=fill.pk).update(released_at=None)
    assert Fill.objects.get(line__order=other).number == 1


@pytest.mark.parametrize(
    ("repeats", "most"), [("", 1), ("0", 1), ("2", 3), ("-1", 1), ("1.5", 1), ("many", 1), ("999", 100)]
)
def test_what_the_chart_does_not_say_is_no_repeat(repeats: str, most: int) -> None:
    from dataclasses import replace

    from tests.commerce.shop import medicine

    assert fills.allowed(replace(medicine("k"), repeats=repeats)) == most
