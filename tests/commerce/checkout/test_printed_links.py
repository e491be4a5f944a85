"""The way in from a printed sheet: three facts on file in place of a code, and a level of its own."""

from dataclasses import dataclass

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout.models import LEVEL_PRINTED, CheckoutSession
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import HTML, Cy, Shop, words

ON_FILE = {"postal_code": "98101", "family_name": "Rivera"}


@dataclass
class OnPaper(Cy):
    """Cy without a phone."""

    def prove(self) -> HTML:
        return self.answer(**ON_FILE)


@pytest.fixture
def on_paper(shop: Shop) -> OnPaper:
    return OnPaper(shop, shop.offer(contacts=()))


def test_the_page_asks_for_all_three_and_offers_no_code(on_paper: OnPaper) -> None:
    page = on_paper.get(on_paper.address)
    assert all(asked in words(page) for asked in ("birth", "ZIP code", "Last name"))
    assert "Send me a code" not in words(page)
    assert "Continue" in words(page)


def test_three_right_facts_open_the_order_without_a_code(on_paper: OnPaper) -> None:
    assert on_paper.prove().headers["Location"] == "/c/check/"
    assert on_paper.shop.outside.messenger.sent == []
    assert "Metformin" in words(on_paper.get("/c/check/"))
    with walls.organization(on_paper.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        assert (session.level, PurchaseLink.objects.get().state) == (LEVEL_PRINTED, "verified")
        assert AuditEvent.objects.get(action="checkout.verified").reason == "level 1p"


@pytest.mark.parametrize("missing", ["postal_code", "family_name"])
def test_what_is_left_out_costs_no_try_and_opens_nothing(on_paper: OnPaper, missing: str) -> None:
    page = on_paper.answer(**{**ON_FILE, missing: ""})
    assert page.status_code == 422
    with walls.organization(on_paper.shop.clinic.pk):
        assert PurchaseLink.objects.get().tries_left == 5
        assert not CheckoutSession.objects.exists()


def test_five_wrong_answers_close_it_for_good_and_never_say_which_part_was_wrong(on_paper: OnPaper) -> None:
    wrong = [{"postal_code": "98102"}, {"family_name": "Other"}, {"day": "15"}, {"postal_code": "1"}]
    pages = [on_paper.answer(**{**ON_FILE, **each}) for each in wrong]
    assert {page.status_code for page in pages} == {422}
    assert all("That does not match what we have" in words(page) for page in pages)
    assert on_paper.answer(**{**ON_FILE, "postal_code": "2"}).status_code == 410
    assert on_paper.prove().status_code == 410


def test_a_yes_says_at_which_level_it_was_given(on_paper: OnPaper) -> None:
    on_paper.agree()
    with walls.organization(on_paper.shop.clinic.pk):
        assert {consent.identity_level for consent in Consent.objects.all()} == {LEVEL_PRINTED}


def test_a_no_is_told_to_the_clinic(on_paper: OnPaper) -> None:
    on_paper.prove()
    on_paper.post("/c/no/")
    with walls.organization(on_paper.shop.clinic.pk):
        link = PurchaseLink.objects.get()
        assert link.declined_at is not None
        assert link.state == "verified"


TYPED = {"place": "other", "name": "Cy Rivera", "line": "1 Elsewhere St", "city": "Seattle", "state": "WA",
         "postal_code": "98101"}  # fmt: skip


def test_the_parcel_goes_only_to_the_address_on_file(on_paper: OnPaper) -> None:
    on_paper.agree()
    page = on_paper.get("/c/where/")
    assert "Another address" not in words(page)
    assert "to this address only" in words(page)
    assert on_paper.post("/c/where/", **TYPED).status_code == 422
    with walls.organization(on_paper.shop.clinic.pk):
        assert CheckoutSession.objects.get().ship_to == {}
    assert on_paper.post("/c/where/", place="file").headers["Location"] == "/c/pay/"
    with walls.organization(on_paper.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        assert session.ship_to == session.address_on_file


def test_without_an_address_on_file_none_can_be_typed(on_paper: OnPaper) -> None:
    on_paper.agree()
    with walls.organization(on_paper.shop.clinic.pk):
        session = CheckoutSession.objects.get()
        session.address_on_file = {}
        session.save()
    for page in (on_paper.get("/c/where/"), on_paper.post("/c/where/", **TYPED)):
        assert page.status_code == 409
        assert "only to the address that your clinic has" in words(page)
