"""After the payment: the tracker, cancel, the receipt, what was shared, and the whole way in Spanish."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from ehrcommerce.audit.services import system
from ehrcommerce.commerce.checkout import services
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import moves
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import METER, METFORMIN, Cy, Shop, words
from tests.commerce.checkout.test_words import ALL, SPANISH


def paid(cy: Cy, *, plan: bool = False) -> Cy:
    cy.ship(plan=plan)
    cy.post("/c/pay/")
    cy.shop.outside.processor.state = "authorized"
    with walls.organization(cy.shop.clinic.pk):
        payment = Payment.objects.get()
    assert cy.get(f"/c/return/{payment.public_id}/").headers["Location"] == "/c/follow/"
    return cy


def move(cy: Cy, state: str) -> None:
    with walls.organization(cy.shop.clinic.pk), transaction.atomic():
        order = moves.lock(Order.objects.get().pk)
        moves.move(order, state=state, code=state, by=system("test"), at=timezone.now())


def test_the_tracker_says_what_happened_what_is_next_by_when_and_whether_to_act(cy: Cy) -> None:
    paid(cy)
    text = words(cy.get("/c/follow/"))
    for said in (
        "We have your order", "Next, it is checked", "You do not need to do anything", "If you hear nothing by",
        "Your card is held for $48.00", "Order placed (done)", "Call 1-800-555-0142",
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize(
    ("states", "title", "done"),
    [
        (["accepted"], "Your order is being packed", 2), (["shipped"], "On its way", 3),
        (["delivered"], "Delivered", 5),
        (["exception"], "We need your help", 1), (["dispatched", "refused"], "We cannot fill your order", 1),
    ],
)  # fmt: skip
def test_each_state_has_its_page(cy: Cy, states: list[str], title: str, done: int) -> None:
    paid(cy)
    for state in states:
        move(cy, state)
    page = cy.get("/c/follow/")
    assert f"<h1>{title}</h1>" in page.content.decode()
    assert words(page).count("(done)") == done


def test_silence_is_noticed(cy: Cy) -> None:
    paid(cy)
    now = timezone.now()
    with walls.organization(cy.shop.clinic.pk):
        CheckoutSession.objects.update(seen_at=now + timedelta(days=3), expires_at=now + timedelta(days=4))
    with time_machine.travel(now + timedelta(days=3)):
        assert "This takes longer than it should" in words(cy.get("/c/follow/"))


def test_cancel_is_one_question_and_one_button(cy: Cy) -> None:
    paid(cy)
    assert "/c/cancel/" in cy.get("/c/follow/").content.decode()
    assert "You will not be charged" in words(cy.get("/c/cancel/"))
    assert cy.post("/c/cancel/").headers["Location"] == "/c/follow/"
    with walls.organization(cy.shop.clinic.pk):
        assert Order.objects.get().state in ("cancelled", "cancel_requested")


def test_what_has_left_cannot_be_cancelled_and_the_page_says_whom_to_call(cy: Cy) -> None:
    paid(cy)
    move(cy, "shipped")
    assert "/c/cancel/" not in cy.get("/c/follow/").content.decode()
    answer = cy.post("/c/cancel/")
    assert answer.headers["Location"] == "/c/follow/?cancel=late"
    assert "It is too late to cancel" in words(cy.get("/c/follow/?cancel=late"))


def test_the_receipt_has_the_three_numbers_and_can_keep_quiet(cy: Cy) -> None:
    paid(cy, plan=True)
    text = words(cy.get("/c/receipt/"))
    assert "Metformin 500 mg tablets" in text
    assert "Full price $48.00 Your plan pays \N{MINUS SIGN}$36.00 Shipping $0.00 Sales tax $0.00 You pay $12.00" in text
    assert "Metformin" not in cy.get("/c/receipt/?plain=1").content.decode()


def test_the_page_names_the_sum_that_was_taken_and_a_line_that_nobody_fills(shop: Shop) -> None:
    cy = paid(Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER))))
    with walls.organization(shop.clinic.pk):
        order = Order.objects.get()
        assert order.patient_cents == 7295
        order.lines.filter(offer_line__product__sku="MET").update(accepted=True)
        order.lines.filter(offer_line__product__sku="GLU").update(accepted=False)
        Payment.objects.update(state="captured", captured_cents=4800)
        Order.objects.update(money="captured")
    assert "You paid $48.00." in words(cy.get("/c/follow/"))
    receipt = words(cy.get("/c/receipt/"))
    assert "Not filled. You do not pay for it." in receipt
    assert "You pay $48.00 Money that moved You paid $48.00" in receipt
    assert "$72.95" not in receipt


def test_a_part_that_went_back_is_named(cy: Cy) -> None:
    paid(cy)
    with walls.organization(cy.shop.clinic.pk):
        Payment.objects.update(state="captured", captured_cents=4800, refunded_cents=1000)
        Order.objects.update(money="captured")
    assert "You paid $38.00. We sent $10.00 back." in words(cy.get("/c/follow/"))


def test_what_was_shared_is_listed_and_an_ok_can_be_taken_back(cy: Cy) -> None:
    paid(cy, plan=True)
    page = cy.get("/c/shared/")
    assert "Plan desk" in words(page)
    assert "Lakeside Pharmacy" in words(page)
    recipient = cy.shop.outside.rows["pharmacy"].party
    assert cy.post("/c/shared/back/", recipient=recipient).headers["Location"] == "/c/shared/?done=1"
    with walls.organization(cy.shop.clinic.pk):
        assert Consent.objects.get(recipient=recipient).withdrawn_at is not None
        assert Consent.objects.filter(withdrawn_at=None).count() == 1


def test_an_ok_that_is_taken_back_after_the_dispatch_asks_the_supplier_to_stop(cy: Cy) -> None:  # J8
    paid(cy)
    recipient = cy.shop.outside.rows["pharmacy"].party
    with walls.organization(cy.shop.clinic.pk):
        Fulfillment.objects.update(state="dispatched", supplier_reference="S-1")
        Order.objects.update(state="dispatched")
    assert cy.post("/c/shared/back/", recipient=recipient).headers["Location"] == "/c/shared/?done=1"
    with walls.organization(cy.shop.clinic.pk):
        fulfillment = Fulfillment.objects.get()
        assert (fulfillment.state, fulfillment.reason) == ("cancel_requested", "consent_withdrawn")
        assert Effect.objects.filter(kind="fulfillment.cancel", subject=str(fulfillment.public_id)).count() == 1
        assert not Consent.objects.filter(recipient=recipient, withdrawn_at=None).exists()


def test_an_ok_that_is_taken_back_before_the_dispatch_ends_the_order_and_gives_the_hold_back(cy: Cy) -> None:
    paid(cy)
    cy.post("/c/shared/back/", recipient=cy.shop.outside.rows["pharmacy"].party)
    with walls.organization(cy.shop.clinic.pk):
        assert Order.objects.get().state == "cancelled"
        assert Effect.objects.filter(kind="payment.void").count() == 1


def test_a_session_that_is_over_keeps_nothing_that_waited_in_it(cy: Cy) -> None:
    cy.ship(plan=True)
    later = timezone.now() + timedelta(hours=5)
    with walls.organization(cy.shop.clinic.pk):
        assert services.end_due(cy.shop.clinic.pk, later) == 1
        session = CheckoutSession.objects.get()
        assert (session.eligibility, session.quote, session.address_on_file, session.ship_to) == ({}, {}, {}, {})
        assert services.end_due(cy.shop.clinic.pk, later) == 0


# ---------------------------------------------------------------------------------------------------------- Spanish
SAME = {"Error:", "Item", "Total"}
LEFTOVERS = [text for text in ALL if " " in text and "%(" not in text and SPANISH.get(text) != text]


def english_in(page: Any) -> list[str]:
    text = page.content.decode()
    return [part for part in LEFTOVERS if re.search(rf">\s*{re.escape(part)}\s*<", text)]


def test_the_whole_way_in_spanish_leaves_no_english(cy: Cy) -> None:
    cy.browser.get(cy.address + "?lang=es")
    pages = [cy.get(cy.address), cy.answer(year="1")]
    cy.answer()
    pages += [cy.get("/c/code/"), cy.post("/c/code/", code="1")]
    cy.post("/c/code/", code=cy.shop.outside.code)
    pages += [cy.get("/c/check/"), cy.post("/c/check/", pay_with="plan")]
    cy.use_plan()
    pages += [cy.get("/c/price/"), cy.post("/c/price/", quote=cy.quote())]
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    pages += [cy.get("/c/where/"), cy.post("/c/where/", place="other")]
    cy.post("/c/where/", place="file")
    pages.append(cy.get("/c/pay/"))
    cy.post("/c/pay/")
    with walls.organization(cy.shop.clinic.pk):
        payment = Payment.objects.get()
    pages.append(cy.get(f"/c/return/{payment.public_id}/"))
    cy.shop.outside.processor.state = "authorized"
    cy.get(f"/c/return/{payment.public_id}/")
    pages += [cy.get(f"/c/{name}/") for name in ("follow", "cancel", "receipt", "shared")]
    for page in pages:
        assert page.status_code in (200, 422)
        assert '<html lang="es"' in page.content.decode()
        assert english_in(page) == []
        assert page.content.count(b'hreflang="en"') == 1
    assert "Metformina 500 mg, tabletas" in words(pages[4])
    assert "Tome 1 tableta por la boca, 2 veces al día." in words(pages[4])
    with walls.organization(cy.shop.clinic.pk):
        order = Order.objects.get()
        assert order.language == "es"
        assert {consent.text.language for consent in Consent.objects.select_related("text")} == {"es"}
    assert "Su clave" in cy.shop.outside.messenger.sent[-1].subject


def test_a_spanish_offer_speaks_spanish_from_the_first_page(cy: Cy) -> None:
    other = Cy(cy.shop, cy.shop.offer(language="es"))
    assert "¿Es usted?" in words(other.get(other.address))
    assert "Is this you?" in words(other.get(other.address + "?lang=en"))


def test_directions_that_were_not_reviewed_stay_english_and_are_marked_so(cy: Cy) -> None:

    item = replace(METFORMIN, directions="Take with a full glass of water")
    other = Cy(cy.shop, cy.shop.offer(("MET", item), language="es"))
    other.prove()
    page = other.get("/c/check/")
    assert '<span class="ec-small" lang="en">Take with a full glass of water</span>' in page.content.decode()
    assert "Pregunte al farmacéutico" in words(page)
