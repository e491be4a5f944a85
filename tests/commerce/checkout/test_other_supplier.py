"""The patient is asked whether another supplier may fill the order: the question with its words, the yes to exactly those
words, and everything that is not that yes."""

import re

import pytest
from django.utils import timezone

from ehrcommerce.audit.services import system
from ehrcommerce.commerce.fulfillment import rerouting
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.checkout.conftest import HTML, METER, METFORMIN, Cy, Shop, words
from tests.commerce.checkout.test_follow import move, paid

QUESTION = "May Corner Pharmacy fill your order instead?"


def another(shop: Shop, name: str = "Corner Pharmacy") -> Supplier:
    with walls.organization(shop.clinic.pk):
        row = Supplier.objects.create(
            organization=shop.clinic, port="pharmacy", adapter="pharmacy_double", name=name,
            base_url="https://other.example", licensed_states="WA,OR", needs_birth_date=True,
        )  # fmt: skip
        factories.agreement(shop.clinic, row.party)
    return row


def asked(cy: Cy, to: Supplier) -> Cy:
    """Somebody of the clinic chose another supplier; the patient has not said yes to it."""
    with walls.organization(cy.shop.clinic.pk):
        part = Fulfillment.objects.get(kind="prescription")
        assert (
            rerouting.reassign(fulfillment=part, to=to, reason="supplier_fails", by=system("test"), at=timezone.now())
            == "asked"
        )
    return cy


def form(page: HTML) -> dict[str, str]:
    """What the button of the question sends."""
    found = re.search(r'<form method="post" action="/c/agree/".*?</form>', page.content.decode(), re.S)
    assert found is not None
    return dict(re.findall(r'<input type="hidden" name="(agree_\w+)" value="([0-9a-f]+)">', found[0]))


def filler(cy: Cy) -> tuple[str, bool, int]:
    """Who fills the prescription, whether somebody is still asked for, and how many said yes to it."""
    with walls.organization(cy.shop.clinic.pk):
        part = Fulfillment.objects.select_related("supplier").get(kind="prescription")
        yes = Consent.objects.filter(recipient_name="Corner Pharmacy").count()
        return part.supplier.name, part.asked_supplier is not None, yes


def test_the_page_asks_with_all_that_the_other_one_gets(cy: Cy) -> None:
    paid(cy)
    assert QUESTION not in words(cy.get("/c/follow/"))
    text = words(asked(cy, another(cy.shop)).get("/c/follow/"))
    assert QUESTION in text
    assert "It gets: your name, your birth date, your address" in text
    assert "You can say no. Then call us, or cancel the order." in text
    assert "Corner Pharmacy" in words(cy.get("/c/follow/", headers={"accept-language": "es"}))


def test_a_yes_is_kept_with_its_words_and_the_other_one_fills_it_once(cy: Cy) -> None:
    asked(paid(cy), another(cy.shop))
    said = form(cy.get("/c/follow/"))
    assert list(said) == ["agree_prescription"]
    for _ in range(2):  # a double tap
        assert cy.post("/c/agree/", **said).headers["Location"] == "/c/follow/"
    assert filler(cy) == ("Corner Pharmacy", False, 1)
    with walls.organization(cy.shop.clinic.pk):
        consent = Consent.objects.select_related("text").get(recipient_name="Corner Pharmacy")
        assert bytes(consent.text.sha256).hex() == said["agree_prescription"]
    assert QUESTION not in words(cy.get("/c/follow/"))
    assert "Corner Pharmacy" in words(cy.get("/c/shared/"))


@pytest.mark.parametrize("said", [{}, {"agree_prescription": "0" * 64}, {"agree_device": "same"}])
def test_what_is_not_a_yes_to_these_words_changes_nothing(cy: Cy, said: dict[str, str]) -> None:
    asked(paid(cy), another(cy.shop))
    mark = form(cy.get("/c/follow/"))["agree_prescription"]
    cy.post("/c/agree/", **{name: mark if value == "same" else value for name, value in said.items()})
    assert filler(cy) == ("Lakeside Pharmacy", True, 0)


def test_a_yes_to_the_words_about_one_is_no_yes_to_the_next(cy: Cy) -> None:
    """The clinic chose again while the page stood open."""
    asked(paid(cy), another(cy.shop))
    said = form(cy.get("/c/follow/"))
    asked(cy, another(cy.shop, "Night Pharmacy"))
    cy.post("/c/agree/", **said)
    assert filler(cy) == ("Lakeside Pharmacy", True, 0)


def test_a_yes_that_comes_after_the_parcel_sends_nothing_anew(cy: Cy) -> None:
    asked(paid(cy), another(cy.shop))
    said = form(cy.get("/c/follow/"))
    move(cy, "accepted")
    with walls.organization(cy.shop.clinic.pk):
        Fulfillment.objects.update(state="accepted")
    assert cy.post("/c/agree/", **said).headers["Location"] == "/c/follow/"
    assert filler(cy)[0] == "Lakeside Pharmacy"


def test_nobody_without_the_order_s_own_page_says_yes(cy: Cy, shop: Shop) -> None:
    asked(paid(cy), another(shop))
    said = form(cy.get("/c/follow/"))
    stranger = Cy(shop, shop.offer(("GLU", METER)))
    assert stranger.post("/c/agree/", **said).status_code in (302, 403)
    stranger.prove()
    stranger.post("/c/agree/", **said)
    assert filler(cy) == ("Lakeside Pharmacy", True, 0)


def test_the_other_parts_stay_where_they_are(shop: Shop) -> None:
    cy = paid(Cy(shop, shop.offer(("MET", METFORMIN), ("GLU", METER))))
    asked(cy, another(shop))
    cy.post("/c/agree/", **form(cy.get("/c/follow/")))
    with walls.organization(shop.clinic.pk):
        by_kind = dict(Fulfillment.objects.values_list("kind", "supplier__name"))
    assert by_kind == {"prescription": "Corner Pharmacy", "device": "Harbor Devices"}
