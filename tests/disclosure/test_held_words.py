"""Directions that may tell for what a medicine is: held for the clinician, released on purpose, or not sold."""

from dataclasses import replace

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import Offer, OfferLine
from ehrcommerce.disclosure import extract
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, ContactPoint, OrderState, RecipientFacts
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop
from tests.disclosure.charts import chart, device, prescription

__all__ = ["commits", "shop", "transactional_db"]


def test_directions_with_a_reason_are_held_and_not_changed() -> None:
    said = "Take 1 tablet as needed for migraine"
    found = extract.order(prescription(dosageInstruction=[{"text": said}]), chart())
    assert (found.state.held, found.state.refusal) == (("migraine",), "")
    assert found.item.directions == said


def test_words_of_the_timing_hold_too_and_those_of_the_clinic() -> None:
    raw = prescription(dosageInstruction=[{"text": "1 tablet", "timing": {"code": {"text": "when nausea comes"}}}])
    assert extract.order(raw, chart()).state.held == ("nausea",)
    own = replace(chart(), held_words=("tablet",))
    assert extract.order(raw, own).state.held == ("tablet", "nausea")


def test_a_name_and_a_device_hold_nothing() -> None:
    assert extract.order(device(codeCodeableConcept={"text": "Diabetes test strips"}), chart()).state.held == ()


def test_as_needed_never_says_for_what_and_instructions_to_the_patient_are_not_read() -> None:
    raw = prescription(
        dosageInstruction=[{
            "text": "1 tablet", "asNeededCodeableConcept": {"text": "migraine", "coding": [{"display": "migraine"}]},
            "patientInstruction": "for your migraine", "additionalInstruction": [{"text": "for migraine"}],
        }],
    )  # fmt: skip
    found = extract.order(raw, chart())
    assert "migraine" not in repr(found)
    assert found.item.timing == "as needed"
    assert found.state.held == ()


def send(shop: Shop, *, released: bool) -> OfferLine:
    item = replace(shop.item(PRESCRIPTION), directions="1 tablet for migraine", quantity="", quantity_unit="")
    order = ChartOrder(item, OrderState("1", "", "active", held=("migraine",)))
    product = shop.product(PRESCRIPTION)
    contact = ContactPoint("phone", "+13605550101", "mobile")
    recipient = RecipientFacts(f"cy-{item.key}", b"b" * 32, b"f" * 32, b"p" * 32, (contact,), "en")
    link = offers.make_offer(
        lines=[offers.NewLine(order, product, "transfer", released)], recipient=recipient, send_to=contact, by=shop.ada,
        at=timezone.now(),
    )  # fmt: skip
    return OfferLine.objects.get(offer=link.offer)


def test_a_held_order_that_nobody_released_is_not_offered(shop: Shop) -> None:
    with pytest.raises(offers.WordsHeld):
        send(shop, released=False)
    assert not Offer.objects.filter(organization=shop.clinic).exists()


def test_a_release_says_who_and_when_and_never_which_words(shop: Shop) -> None:
    line = send(shop, released=True)
    assert (line.released_by, line.released_at is not None) == (shop.ada, True)
    (row,) = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="order.released")
    assert (row.entity, row.reason, row.actor) == (f"line:{line.public_id}", "words:1", str(shop.ada.actor))
    assert "MedicationRequest.dosageInstruction.text" in row.elements
    assert "migraine" not in repr(row.__dict__)
    assert line.packet["directions"] == "1 tablet for migraine"
