"""A kit that ships with no click: on a standing yes, free of charge, to a whole address, under a live agreement; else the
link. The chart is read again before it goes, and what was taken back stops what has not left. [J3, REL-P20]"""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Agreement
from ehrcommerce.commerce.catalog.models import ShippingRule
from ehrcommerce.commerce.fulfillment import standing
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure.models import Consent, Disclosure
from tests.events.acting import CY, HOME, acts, after_the_hold, agreed, opened, rule, sells, signed, texts
from tests.events.conftest import Ward


def ready(ward: Ward, *, cents: int = 0, hold_minutes: int = 15, address: object = (HOME,)) -> None:
    rule(ward, "kit", hold_minutes=hold_minutes)
    sells(ward, cents=cents)
    opened(ward, address=list(address) if isinstance(address, tuple) else address)
    signed(ward)
    ward.settle()


def order_of(ward: Ward) -> Order:
    return Order.objects.get(organization=ward.shop.clinic)


def test_a_kit_ships_with_no_click_and_the_patient_is_told(ward: Ward) -> None:
    yes = agreed(ward)
    ready(ward)
    assert acts(ward) == [("waiting", "", "")]
    after_the_hold(ward)
    assert acts(ward) == [("done", "kit", "")]
    order = order_of(ward)
    assert len(ward.shop.lab.placed) == 1
    assert order.state in ("dispatched", "accepted")
    assert order.total_cents == 0
    assert ward.shop.told() == ["coming"], "one neutral message, and no link to order with"
    assert "kit" not in ward.shop.messenger.sent[0].text.lower()
    followed = Consent.objects.get(organization=ward.shop.clinic, subject=str(order.offer.public_id))
    assert (followed.standing, followed.text) == (yes, yes.text)
    gone = Disclosure.objects.get(organization=ward.shop.clinic, subject=str(order.offer.public_id))
    assert (gone.state, gone.recipient) == ("sent", ward.shop.supplier("kit").party)
    link = PurchaseLink.objects.get(organization=ward.shop.clinic)
    assert (link.state, link.end_reason, link.verified_at) == ("completed", "standing_yes", None)


@pytest.mark.parametrize("times", [3, 20])
def test_events_that_come_again_ship_one_kit(ward: Ward, times: int) -> None:
    agreed(ward)
    ready(ward)
    for number in range(2, times):
        signed(ward, number=number)
    after_the_hold(ward)
    signed(ward, number=times + 1)
    after_the_hold(ward)
    assert len(ward.shop.lab.placed) == 1
    assert Order.objects.filter(organization=ward.shop.clinic).count() == 1


def test_without_a_yes_it_falls_back_to_the_link_and_reads_no_address(ward: Ward) -> None:
    ready(ward)
    ward.ehr.asked.clear()
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "no_consent")]
    assert ward.shop.lab.placed == []
    assert texts(ward) == 1
    assert ward.reads().count("GET Patient/cy") == 2, "for the order and for the contact; not for an address"


def test_a_yes_to_another_laboratory_is_none_to_this_one(ward: Ward) -> None:
    agreed(ward, recipient="supplier:another")
    ready(ward)
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "no_consent")]
    assert ward.shop.lab.placed == []


@pytest.mark.parametrize(("address", "code"), [
    (None, "address"), ({**HOME, "postalCode": "985"}, "address"), ({**HOME, "line": ["P.O. Box 12"]}, "address"),
    ({**HOME, "state": "Ontario"}, "address"), ({**HOME, "country": "CA"}, "address"), ({**HOME, "use": "old"}, "address"),
])  # fmt: skip
def test_without_a_whole_address_it_falls_back_to_the_link(
    ward: Ward, address: dict[str, object] | None, code: str
) -> None:
    agreed(ward)
    ready(ward, address=None if address is None else (address,))
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", code)]
    assert ward.shop.lab.placed == []


def test_what_costs_the_patient_something_is_asked_by_the_link(ward: Ward) -> None:
    agreed(ward)
    ready(ward, cents=4900)
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "not_free")]
    assert ward.shop.lab.placed == []


def test_a_fee_for_the_parcel_is_a_price_too(ward: Ward) -> None:
    agreed(ward)
    ShippingRule.objects.filter(organization=ward.shop.clinic).update(fee_cents=495)
    ready(ward)
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "not_free")]
    assert (ward.shop.lab.placed, Order.objects.filter(organization=ward.shop.clinic).count()) == ([], 0)
    assert texts(ward) == 1


def test_without_an_agreement_with_the_laboratory_nothing_goes_to_it(ward: Ward) -> None:
    agreed(ward)
    Agreement.objects.filter(party=ward.shop.supplier("kit").party).update(state="ended")
    ready(ward)
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "no_supplier")]
    assert ward.shop.lab.placed == []


def test_a_yes_that_is_taken_back_within_the_hold_ships_nothing(ward: Ward) -> None:
    yes = agreed(ward)
    ready(ward)
    assert standing.take_back(
        organization_id=ward.shop.clinic.pk, customer_key=yes.customer_key, by=CY, at=timezone.now()
    )
    after_the_hold(ward)
    assert acts(ward) == [("done", "link", "no_consent")]
    assert ward.shop.lab.placed == []


def test_a_yes_that_is_taken_back_stops_what_has_not_left(ward: Ward) -> None:
    """Ordered on the standing yes, not dispatched yet."""
    yes = agreed(ward)
    ready(ward, hold_minutes=0)
    assert ward.shop.lab.placed != [], "at once, where there is no hold"
    signed(ward, name="kit-2", number=2)
    ward.drain()
    ward.shop.run("ehr.automatic", rounds=1)
    second = Order.objects.filter(organization=ward.shop.clinic).latest("pk")
    standing.take_back(organization_id=ward.shop.clinic.pk, customer_key=yes.customer_key, by=CY, at=timezone.now())
    ward.settle()
    assert ward.shop.fresh(second).state == "cancelled"
    assert len(ward.shop.lab.placed) == 1
    assert not Consent.objects.filter(organization=ward.shop.clinic, withdrawn_at=None).exists()


def test_a_cancel_one_moment_before_the_dispatch_stops_the_kit(ward: Ward) -> None:
    """The freshness gate holds for what nobody pressed as for what somebody did."""
    agreed(ward)
    ready(ward)
    ward.shop.later(seconds=16 * 60)
    ward.shop.run("ehr.automatic", rounds=1)
    assert order_of(ward).state == "authorized"
    signed(ward, 2, number=2, status="revoked")
    ward.settle(passing_s=1)
    assert order_of(ward).state == "cancelled"
    assert ward.shop.lab.placed == []


def test_an_attested_yes_ships_as_well_and_says_who_attested_it(ward: Ward) -> None:
    day = timezone.now().date() - timedelta(days=2)
    yes = agreed(ward, attested=(str(ward.shop.ada.actor), day))
    ready(ward)
    after_the_hold(ward)
    assert acts(ward) == [("done", "kit", "")]
    assert (yes.attested_by, yes.attested_on) == (str(ward.shop.ada.actor), day)
