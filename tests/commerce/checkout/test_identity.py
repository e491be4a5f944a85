"""Who is it? Birth date, then a code to a contact on file."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import Contact, PurchaseLink
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import BORN, EMAIL, PHONE, Cy, Shop, words


def link_state(cy: Cy) -> str:
    with walls.organization(cy.shop.clinic.pk):
        return PurchaseLink.objects.get(pk=cy.link.pk).state


def test_the_right_birth_date_sends_a_code_by_the_other_channel(cy: Cy) -> None:
    assert cy.answer().headers["Location"] == "/c/code/"
    (message,) = cy.shop.outside.messenger.sent
    assert (message.channel, message.to) == ("email", EMAIL.value)
    assert "c...@mail.example" in words(cy.get("/c/code/"))


def test_with_one_contact_the_code_goes_where_the_link_went(shop: Shop) -> None:
    cy = Cy(shop, shop.offer(contacts=(PHONE,)))
    cy.answer()
    assert shop.outside.messenger.sent[0].to == PHONE.value


def test_without_any_contact_left_the_patient_is_told_to_call(shop: Shop) -> None:
    cy = Cy(shop, shop.offer(contacts=(PHONE,)))
    with walls.organization(shop.clinic.pk):
        Contact.objects.all().delete()
    page = cy.answer()
    assert page.status_code == 409
    assert "Call 1-800-555-0142" in words(page)


def test_a_wrong_birth_date_keeps_the_entry_counts_down_and_says_how_to_fix_it(cy: Cy) -> None:
    page = cy.answer(year="1969")
    text = page.content.decode()
    assert page.status_code == 422
    assert "<title>Error:" in text
    assert "autofocus" in text
    assert 'value="1969"' in text
    assert "You have 4 tries left" in words(page)


def test_five_wrong_birth_dates_close_the_link_for_good(cy: Cy) -> None:
    for _ in range(4):
        assert cy.answer(day="15").status_code == 422
    assert cy.answer(day="15").status_code == 410
    assert link_state(cy) == "locked"
    assert "Too many tries" in words(cy.answer())
    assert cy.shop.outside.messenger.sent == []


@pytest.mark.parametrize(
    "change", [{"month": ""}, {"month": "13"}, {"year": "68"}, {"day": "31", "month": "2"}, {"year": "2999"}]
)
def test_what_is_no_date_costs_no_try(cy: Cy, change: dict[str, str]) -> None:
    page = cy.answer(**change)
    assert page.status_code == 422
    assert "Type your birth date" in words(page)
    with walls.organization(cy.shop.clinic.pk):
        assert PurchaseLink.objects.get(pk=cy.link.pk).tries_left == 5


def test_an_organization_may_ask_for_more_and_never_says_which_part_was_wrong(cy: Cy) -> None:
    with walls.organization(cy.shop.clinic.pk):
        cy.shop.clinic.match_postal_code = cy.shop.clinic.match_family_name = True
        cy.shop.clinic.save()
    assert cy.answer().status_code == 422
    wrong = [
        words(cy.answer(postal_code="98101", family_name="Rivers")).replace("4 tries", "N tries"),
        words(cy.answer(postal_code="98102", family_name="Rivera")).replace("3 tries", "N tries"),
    ]
    assert wrong[0] == wrong[1]
    assert cy.answer(postal_code="98101-2222", family_name=" RIVÉRA ").status_code == 302


def test_the_right_code_opens_the_order_under_a_fresh_cookie(cy: Cy) -> None:
    cy.answer()
    before = cy.browser.cookies["__Host-checkout"].value
    answer = cy.post("/c/code/", code=cy.shop.outside.code)
    assert answer.headers["Location"] == "/c/check/"
    cookie = answer.cookies["__Host-checkout"]
    assert cookie.value != before
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Lax")
    assert link_state(cy) == "verified"
    assert cy.get("/c/check/").status_code == 200
    cy.browser.cookies["__Host-checkout"] = before
    assert cy.get("/c/check/").status_code == 403


def test_a_code_may_be_pasted_with_blanks(cy: Cy) -> None:
    cy.answer()
    code = cy.shop.outside.code
    assert cy.post("/c/code/", code=f" {code[:3]} {code[3:]} ").headers["Location"] == "/c/check/"


def test_five_wrong_codes_end_the_session_and_the_right_one_is_worth_nothing_then(cy: Cy) -> None:
    cy.answer()
    code = cy.shop.outside.code
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1):
        assert str(left) in words(cy.post("/c/code/", code=wrong))
    assert "Too many codes" in words(cy.post("/c/code/", code=wrong))
    assert "Too many codes" in words(cy.post("/c/code/", code=code))
    assert cy.get("/c/check/").headers["Location"] == "/c/code/"


def test_a_code_lives_ten_minutes(cy: Cy) -> None:
    cy.answer()
    start = timezone.now()
    with time_machine.travel(start + timedelta(minutes=5)):
        cy.get("/c/code/")  # the patient is there: otherwise the session would be over as well
    with time_machine.travel(start + timedelta(minutes=10, seconds=1)):
        assert "too old" in words(cy.post("/c/code/", code=cy.shop.outside.code))


def test_a_new_code_comes_three_times_at_most_and_ends_the_old_one(cy: Cy) -> None:
    cy.answer()
    first = cy.shop.outside.code
    for _ in range(3):
        assert cy.post("/c/code/again/").headers["Location"] == "/c/code/?again=sent"
    assert len({message.text for message in cy.shop.outside.messenger.sent}) == 4
    assert "Too many codes" in words(cy.post("/c/code/again/"))
    assert "not the code" in words(cy.post("/c/code/", code=first))
    assert cy.post("/c/code/", code=cy.shop.outside.code).headers["Location"] == "/c/check/"


def test_who_knows_the_birth_date_cannot_make_a_phone_ring_all_day(cy: Cy) -> None:
    for _ in range(5):
        cy.answer()
    assert "Too many codes" in words(cy.answer())
    assert len(cy.shop.outside.messenger.sent) == 5


def test_many_answers_at_once_make_no_more_than_five_codes(cy: Cy) -> None:
    def press(_: int) -> int:
        try:
            return int(Client().post(cy.address, BORN).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(press, range(12)))
    assert sorted(answers) == [302] * 5 + [429] * 7
    assert len(cy.shop.outside.messenger.sent) == 5


def test_a_code_that_went_out_names_its_recipient_in_the_audit(cy: Cy) -> None:
    cy.answer()
    with walls.organization(cy.shop.clinic.pk):
        event = AuditEvent.objects.get(action="checkout.code_sent")
        assert event.recipient == cy.shop.outside.rows["messaging"].party
        assert "Patient.telecom.value" in event.elements


def test_wrong_birth_dates_after_the_order_close_the_page_for_today_only(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    stranger = Cy(cy.shop, cy.link)
    for _ in range(4):
        assert stranger.answer(day="15").status_code == 422
    page = stranger.answer(day="15")
    assert page.status_code == 429
    assert "closed for today" in words(page)
    assert cy.get("/c/pay/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        assert Cy(cy.shop, cy.link).answer().status_code == 302


def test_a_messenger_that_is_down_is_said_and_nothing_is_lost(cy: Cy) -> None:
    cy.shop.outside.messenger.down = True
    assert cy.answer().headers["Location"] == "/c/code/?again=later"
    assert "takes longer" in words(cy.get("/c/code/?again=later"))


def test_no_code_and_no_birth_date_stands_in_a_row(cy: Cy) -> None:
    cy.prove()
    with walls.organization(cy.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        kept = " ".join(str(value) for value in vars(session).values())
        told = " ".join(f"{event.entity} {event.reason} {event.elements}" for event in AuditEvent.objects.all())
    for secret in (cy.shop.outside.code, "1968", BORN["year"]):
        assert secret not in kept + told


def test_ten_minutes_of_silence_end_the_session_and_half_an_hour_does_in_any_case(cy: Cy) -> None:
    cy.prove()
    start = timezone.now()
    for minutes in (9, 18, 27):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            assert cy.get("/c/check/").status_code == 200
    with time_machine.travel(start + timedelta(minutes=30)):
        assert cy.get("/c/check/").status_code == 403
    cy.prove()
    again = timezone.now()
    with time_machine.travel(again + timedelta(minutes=10)):
        page = cy.get("/c/check/")
    assert page.status_code == 403
    assert "open your link again" in words(page)


def test_a_page_that_reloads_itself_keeps_nobody_signed_in(cy: Cy) -> None:
    cy.prove()
    start = timezone.now()
    with time_machine.travel(start + timedelta(minutes=6)):
        cy.get("/c/check/", headers={"Sec-Fetch-Dest": "empty"})
    with time_machine.travel(start + timedelta(minutes=11)):
        assert cy.get("/c/check/").status_code == 403


@pytest.mark.parametrize(("state", "said"), [("revoked", "stopped this link"), ("superseded", "newer link")])
def test_a_link_that_ends_on_the_way_ends_the_way(cy: Cy, state: str, said: str) -> None:
    cy.choose()
    with walls.organization(cy.shop.clinic.pk):
        PurchaseLink.objects.filter(pk=cy.link.pk).update(state=state)
    page: Any = cy.get("/c/price/")
    assert page.status_code == 410
    assert said in words(page)
