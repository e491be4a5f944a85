"""An order with a value that is likely a slip goes nowhere until its prescriber says that it is right, and goes then exactly
as it stands in the chart. [REL-P19]"""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.catalog.models import UsualRange
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import Offer, OfferLine
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, ContactPoint, OrderedItem, OrderState, RecipientFacts
from tests import factories
from tests.commerce.shop import Shop

SLIP = "5000 mg"


@pytest.fixture
def prescriber(shop: Shop) -> User:
    return factories.clinician(shop.clinic, subject=f"dr-{shop.clinic.pk}", npi="1234567893")


def slip(shop: Shop, **changes: Any) -> OrderedItem:
    fields = {"dose": SLIP, "directions": "", "quantity": "", "quantity_unit": "", "orderer_npi": "1234567893", **changes}
    return replace(shop.item(PRESCRIPTION), **fields)


def send(shop: Shop, item: OrderedItem, by: User, *, confirmed: bool) -> OfferLine:
    product = shop.product(PRESCRIPTION)
    for measure, unit in (("dose", "mg"), ("dose", "tablet")):
        low, high = (Decimal(500), Decimal(1000)) if unit == "mg" else (Decimal(1), Decimal(2))
        UsualRange.objects.create(
            organization=shop.clinic, product=product, measure=measure, low=low, high=high, unit=unit
        )
    contact = ContactPoint("phone", "+13605550101", "mobile")
    recipient = RecipientFacts(f"cy-{item.key}", b"b" * 32, b"f" * 32, b"p" * 32, (contact,), "en")
    line = offers.NewLine(ChartOrder(item, OrderState("1", "", "active")), product, "transfer", confirmed=confirmed)
    link = offers.make_offer(lines=[line], recipient=recipient, send_to=contact, by=by, at=timezone.now())
    return OfferLine.objects.get(offer=link.offer)


def test_it_is_held_for_the_prescriber_and_for_nobody_else(shop: Shop, prescriber: User) -> None:
    with pytest.raises(offers.Implausible):
        send(shop, slip(shop), prescriber, confirmed=False)
    other = factories.clinician(shop.clinic, subject=f"no-{shop.clinic.pk}", npi="1000000004", role=Role.PRESCRIBER)
    for somebody in (shop.ada, other):
        with pytest.raises(offers.NotThePrescriber):
            send(shop, slip(shop), somebody, confirmed=True)
    assert not Offer.objects.filter(organization=shop.clinic).exists()
    line = send(shop, slip(shop), prescriber, confirmed=True)
    assert (line.confirmed_by, line.confirmed_at is not None) == (prescriber, True)


def test_where_the_order_names_no_npi_whoever_may_prescribe_says_so(shop: Shop) -> None:
    prescriber = factories.clinician(shop.clinic, subject=f"p-{shop.clinic.pk}", role=Role.PRESCRIBER)
    with pytest.raises(offers.NotThePrescriber):
        send(shop, slip(shop, orderer_npi=""), shop.ada, confirmed=True)
    assert send(shop, slip(shop, orderer_npi=""), prescriber, confirmed=True).confirmed_by == prescriber


def test_the_audit_says_who_and_of_which_kind_and_never_the_value(shop: Shop, prescriber: User) -> None:
    line = send(shop, slip(shop), prescriber, confirmed=True)
    (row,) = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="order.value_confirmed")
    assert (row.entity, row.reason, row.actor) == (f"line:{line.public_id}", "dose_tenfold", str(prescriber.actor))
    assert "5000" not in repr(row.__dict__)


def test_a_usual_order_asks_nobody(shop: Shop) -> None:
    line = send(shop, slip(shop, dose="500 mg"), shop.ada, confirmed=False)
    assert (line.confirmed_by, line.confirmed_at) == (None, None)


def corrects_it(item: OrderedItem) -> dict[str, Any]:
    """The seeded bug: an app that knows better than the prescriber."""
    return {**as_json(item), "dose": item.dose.replace("5000", "500")}


def rounds_it(item: OrderedItem) -> dict[str, Any]:
    number, unit = item.dose.split(" ")
    return {**as_json(item), "dose": f"{Decimal(number).normalize()} {unit}"}


def judged(shop: Shop, prescriber: User) -> bool:
    """Whether what is offered is what the chart says, character by character."""
    items = [slip(shop), slip(shop, dose="0.50 tablet"), slip(shop, dose="500.0 mg")]
    lines = [(item, send(shop, item, prescriber, confirmed=True)) for item in items]
    return all(line.packet == json.loads(json.dumps(as_json(item))) and bytes(line.digest) == digest(item) for item, line in lines)


def test_what_goes_on_is_what_the_chart_says_and_never_a_correction_of_it(shop: Shop, prescriber: User) -> None:
    assert judged(shop, prescriber)


@pytest.mark.parametrize("bug", [corrects_it, rounds_it])
def test_the_judge_finds_an_app_that_corrects(
    shop: Shop, prescriber: User, bug: Callable[[OrderedItem], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "as_json", bug)
    assert not judged(shop, prescriber)
