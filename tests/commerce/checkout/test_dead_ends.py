"""No page is blank, none lies about an order that is over, and none shows a day of another time zone."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.commerce.checkout.phrases import phrase_in
from ehrcommerce.commerce.offers import tokens
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words
from tests.commerce.checkout.test_follow import move, paid

POSTED = ("/c/no/", "/c/plan/", "/c/new-price/", "/c/shared/back/")


def money(cy: Cy, state: str, *, order: str = "", captured: int = 0, back: int = 0) -> None:
    with walls.organization(cy.shop.clinic.pk):
        Payment.objects.update(state="captured" if captured else state, captured_cents=captured, refunded_cents=back)
        Order.objects.update(money=state, **({"state": order} if order else {}))


# ------------------------------------------------------------------------------------------- pages that only take POST
@pytest.mark.parametrize("path", POSTED)
def test_a_page_that_only_takes_forms_leads_back_to_where_the_patient_stands(cy: Cy, path: str) -> None:
    cy.choose()
    assert cy.get(path).headers["Location"] == "/c/price/"
    assert cy.get(f"{path}?lang=es").headers["Location"] == "/c/price/"


def test_asking_for_a_new_code_by_its_address_leads_to_the_code(cy: Cy) -> None:
    cy.answer()
    assert cy.get("/c/code/again/").headers["Location"] == "/c/code/"
    assert len(cy.shop.outside.messenger.sent) == 1


@pytest.mark.parametrize("path", [*POSTED, "/c/code/again/"])
def test_without_a_session_it_says_open_the_link(cy: Cy, path: str) -> None:
    assert b"open your link again" in Client().get(path).content


def test_after_a_no_the_page_can_be_read_again_and_in_the_other_language(cy: Cy) -> None:
    cy.choose()
    assert cy.post("/c/no/").headers["Location"] == "/c/no/"
    page = cy.get("/c/no/")
    assert page.status_code == 200
    for said in ("You said no", "You were not charged", "1-800-555-0142", "You can change your mind until"):
        assert said in words(page)
    spanish = cy.get("/c/no/?lang=es")
    assert "Usted dijo que no" in words(spanish)
    assert "Usted dijo que no" in words(cy.get("/c/price/"))
    assert cy.get("/c/price/").status_code == 403


def test_a_session_that_ended_by_time_says_nothing_of_a_no(cy: Cy) -> None:
    cy.choose()
    with walls.organization(cy.shop.clinic.pk):
        from ehrcommerce.commerce.checkout.models import CheckoutSession

        CheckoutSession.objects.update(ended_at=timezone.now(), expires_at=timezone.now())
    assert "open your link again" in words(cy.get("/c/no/"))


@pytest.mark.parametrize("path", ["/c/follow/", "/c/receipt/", "/c/check/", "/c/no/"])
def test_a_way_of_asking_that_no_page_knows_gets_a_page_with_a_remedy(cy: Cy, path: str) -> None:
    cy.choose()
    page = cy.browser.put(path)
    assert page.status_code == 405
    assert "GET" in page.headers["Allow"]
    assert "Go back" in words(page)


# ------------------------------------------------------------------------------------------------------------- cancel
class Live(HTMLParser):
    """Which links of a page stand in a part that renews itself."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, bool] = {}
        self.inside: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links[given.get("href") or ""] = any(self.inside)
        if tag == "div":
            self.inside.append("data-live" in given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.inside.pop()


@pytest.mark.parametrize(
    ("state", "said", "never"),
    [
        ("cancelled", "This order is canceled already", "left already"),
        ("cancel_requested", "We are trying to stop this order", "left already"),
        ("refused", "This order could not be filled", "left already"),
        ("shipped", "Your order left already", "Yes, cancel it"),
        ("delivered", "Your order left already", "Yes, cancel it"),
    ],
)
def test_the_cancel_page_says_how_the_order_stands(cy: Cy, state: str, said: str, never: str) -> None:
    paid(cy)
    money(cy, "authorized", order=state)
    text = words(cy.get("/c/cancel/"))
    assert said in text
    assert never not in text


def test_too_late_is_not_said_of_an_order_that_was_canceled(cy: Cy) -> None:
    paid(cy)
    money(cy, "voided", order="cancelled")
    assert "too late" not in words(cy.get("/c/follow/?cancel=late"))


def test_cancel_goes_away_with_the_part_of_the_page_that_renews_itself(cy: Cy) -> None:
    paid(cy)
    live = Live()
    live.feed(cy.get("/c/follow/").content.decode())
    assert live.links["/c/cancel/"]
    assert not live.links["/c/shared/"]
    move(cy, "delivered")
    assert "/c/cancel/" not in cy.get("/c/follow/").content.decode()


# ------------------------------------------------------------------------------------------------------------ receipt
@pytest.mark.parametrize(
    ("state", "order", "captured", "back", "said", "never"),
    [
        ("authorized", "authorized", 0, 0, ("Held on your card $48.00", "Paid so far $0.00"), ("canceled",)),
        ("captured", "delivered", 4800, 0, ("You paid $48.00",), ("Sent back to you", "canceled")),
        ("voided", "cancelled", 0, 0, ("This order was canceled", "You paid $0.00"), ("Held", "You pay $48.00")),
        ("none", "cancelled", 0, 0, ("This order was canceled", "You paid $0.00"), ("Held", "You pay $48.00")),
        ("none", "refused", 0, 0, ("This order was not filled", "You paid $0.00"), ("You pay $48.00",)),
        (
            "refunded", "cancelled", 4800, 4800,
            ("This order was canceled", "You paid $48.00", "Sent back to you \N{MINUS SIGN}$48.00", "In the end $0.00"),
            ("You pay $48.00",),
        ),
        (
            "captured", "delivered", 4800, 1000,
            ("You paid $48.00", "Sent back to you \N{MINUS SIGN}$10.00", "In the end $38.00"), ("canceled",),
        ),
    ],
)  # fmt: skip
def test_a_receipt_never_looks_paid_where_nothing_was_kept(
    cy: Cy, state: str, order: str, captured: int, back: int, said: tuple[str, ...], never: tuple[str, ...]
) -> None:
    paid(cy)
    money(cy, state, order=order, captured=captured, back=back)
    text = words(cy.get("/c/receipt/"))
    for part in said:
        assert part in text
    for part in never:
        assert part not in text


@pytest.mark.parametrize(
    ("state", "captured", "said", "never"),
    [
        ("authorized", 0, "We are taking the hold off your card.", "charged when your order is accepted"),
        ("captured", 4800, "You will get all of your money back", "You paid $48.00. "),
        ("none", 0, "You were not charged.", "The hold"),
    ],
)
@pytest.mark.parametrize("order", ["cancelled", "refused"])
def test_an_order_that_is_over_says_what_becomes_of_the_money(
    cy: Cy, order: str, state: str, captured: int, said: str, never: str
) -> None:
    paid(cy)
    money(cy, state, order=order, captured=captured)
    for name in ("follow", "cancel", "receipt"):
        text = words(cy.get(f"/c/{name}/"))
        assert said in text
        assert never not in text


def test_an_order_that_is_being_stopped_is_never_about_to_be_charged(cy: Cy) -> None:
    paid(cy)
    money(cy, "authorized", order="cancel_requested")
    for name in ("follow", "cancel", "receipt"):
        text = words(cy.get(f"/c/{name}/"))
        assert "If we stop the order in time, the hold ends" in text
        assert "charged when your order is accepted" not in text
    assert "la retención termina" in words(cy.get("/c/follow/?lang=es"))


# ----------------------------------------------------------------------------------------------------- did money move?
def waiting(cy: Cy) -> str:
    cy.ship()
    cy.post("/c/pay/")
    with walls.organization(cy.shop.clinic.pk):
        return f"/c/return/{Payment.objects.get().public_id}/"


def test_an_open_payment_page_says_that_no_money_moved(cy: Cy) -> None:
    text = words(cy.get(waiting(cy)))
    assert "No money has moved so far." in text
    assert "may have moved" not in text
    assert "Do not pay again" in text


def test_a_processor_that_does_not_answer_says_that_money_may_have_moved(
    cy: Cy, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = waiting(cy)
    monkeypatch.setattr(cy.shop.outside.processor, "find", lambda reference: None)
    text = words(cy.get(back))
    assert "Money may have moved. We cannot tell yet." in text
    assert "No money has moved" not in text


def test_a_payment_in_doubt_says_what_becomes_of_the_money(cy: Cy) -> None:
    back = waiting(cy)
    money(cy, "reconcile_needed")
    for page in (cy.get("/c/follow/"), cy.get(back)):
        text = words(page)
        assert "Money may have moved." in text
        assert "We charge you one time at most." in text
        assert "Do not pay again" in text


# -------------------------------------------------------------------------------------------------------------- days
def test_every_day_is_a_day_of_the_clinic_in_one_form(cy: Cy) -> None:
    """At 1 in the morning UTC it is still the day before in Los Angeles."""
    cy.choose()
    with walls.organization(cy.shop.clinic.pk):
        day = datetime(2027, 3, 5, 1, 30, tzinfo=UTC)
        PurchaseLink.objects.update(expires_at=day)
    cy.post("/c/no/")
    assert "until March 4, 2027." in words(cy.get("/c/no/"))
    assert "hasta el 4 de marzo de 2027." in words(cy.get("/c/no/?lang=es"))


def test_the_pages_after_the_payment_speak_the_clinics_days(cy: Cy) -> None:
    paid(cy)
    day = datetime(2027, 3, 5, 1, 30, tzinfo=UTC)
    with walls.organization(cy.shop.clinic.pk):
        Order.objects.update(placed_at=day)
        Consent.objects.update(given_at=day)
        Order.objects.get().events.update(at=day)
    assert "March 4, 2027" in words(cy.get("/c/receipt/"))
    assert "March 4, 2027" in words(cy.get("/c/shared/"))
    assert "March 4, 2027, 5:30 PM" in words(cy.get("/c/follow/"))
    assert "4 de marzo de 2027, 17:30" in words(cy.get("/c/follow/?lang=es"))
    pages: list[Any] = [cy.get(f"/c/{name}/?lang=en") for name in ("follow", "receipt", "shared")]
    assert not [page for page in pages if re.search(r"March 5|03/0[45]/2027", words(page))]


# ------------------------------------------------------------------------------------------------------- trust phrase
def test_the_two_words_of_the_clinic_are_said_in_spanish_with_the_english_beside_them(cy: Cy) -> None:
    cy.prove()
    page = cy.get("/c/check/?lang=es")
    english = cy.link.offer.trust_phrase
    spanish = phrase_in("es", english)
    assert spanish != english
    assert spanish in words(page)
    assert f'<span lang="en">{english}</span>' in page.content.decode()


def test_each_word_of_a_trust_phrase_has_one_spanish_word() -> None:
    spanish = [phrase_in("es", f"{word} {word}").split(" ")[0] for word in tokens._WORDS]
    assert len(set(spanish)) == len(tokens._WORDS)
    assert phrase_in("en", "amber river") == "amber river"
    assert phrase_in("es", "words of an older release") == "words of an older release"
