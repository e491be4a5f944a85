"""Pages of the clinic that every patient's page leads to: in its own words or in short ones of ours, about nobody."""

import re
from uuid import uuid4

import pytest
from django.test import Client

from ehrcommerce.commerce.checkout.languages import NOTICES
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words

PAGES = ("terms", "privacy", "accessibility", "languages")


def address(cy: Cy, page: str) -> str:
    return f"/about/{cy.shop.clinic.public_id}/{page}/"


def write(cy: Cy, **own: str) -> None:
    with walls.organization(cy.shop.clinic.pk):
        type(cy.shop.clinic).objects.filter(pk=cy.shop.clinic.pk).update(**own)


def test_the_first_page_leads_to_each_of_them_and_names_no_link(cy: Cy) -> None:
    text = cy.get(cy.address).content.decode()
    assert [page for page in PAGES if address(cy, page) not in text] == []
    assert str(cy.link.public_id) not in text


def test_later_pages_lead_there_too(cy: Cy) -> None:
    cy.prove()
    text = cy.get("/c/check/").content.decode()
    assert [page for page in PAGES if address(cy, page) not in text] == []


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("language", "call"), [("en", "Call 1-800-555-0142"), ("es", "Llamar al 1-800-555-0142")])
def test_without_words_of_the_clinic_there_are_ours_in_both_languages(
    cy: Cy, page: str, language: str, call: str
) -> None:
    answer = Client().get(address(cy, page), {"lang": language})
    assert answer.status_code == 200
    assert f'lang="{language}"' in answer.content.decode()[:200]
    assert call in words(answer)
    assert not set(answer.cookies) - {"__Host-language"}
    assert answer["Cache-Control"] == "no-store"


def test_the_clinics_own_words_stand_instead_and_are_never_markup(cy: Cy) -> None:
    write(cy, terms_en="Our terms.\n\n<script>alert(1)</script>")
    text = Client().get(address(cy, "terms")).content.decode()
    assert "<p>Our terms.</p>" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "You see the price" not in text


def test_words_in_one_language_are_shown_to_whoever_reads_the_other_and_say_so(cy: Cy) -> None:
    write(cy, privacy_en="We keep it safe.")
    spanish = Client().get(address(cy, "privacy"), {"lang": "es"}).content.decode()
    assert '<div class="ec-stack" lang="en"><p>We keep it safe.</p>' in spanish
    assert "Llámenos y le diremos qué dice" in spanish
    assert "We will tell you what it says" not in Client().get(address(cy, "privacy")).content.decode()


def test_help_in_other_languages_is_marked_with_each_language(cy: Cy) -> None:
    text = Client().get(address(cy, "languages")).content.decode()
    assert re.findall(r'<p lang="([\w-]+)"', text) == [tag for tag, _ in NOTICES]
    assert len(NOTICES) == 16
    assert set(re.findall(r'<p lang="([\w-]+)" dir="rtl"', text)) == {"ar", "fa"}
    assert text.count("1-800-555-0142") >= len(NOTICES)


def test_a_states_own_list_stands_instead(cy: Cy) -> None:
    write(cy, language_help="Hmoob: hu 1-800\nNavajo: 1-800")
    text = Client().get(address(cy, "languages")).content.decode()
    assert "Hmoob: hu 1-800<br>Navajo: 1-800" in text
    assert "<p lang=" not in text


@pytest.mark.parametrize("page", PAGES)
def test_a_clinic_that_is_none_is_a_page_that_does_not_exist(cy: Cy, page: str) -> None:
    assert Client().get(f"/about/{uuid4()}/{page}/").status_code == 404
    assert Client().post(address(cy, page)).status_code == 405
