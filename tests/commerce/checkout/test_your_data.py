"""The patient's own page: read, take along, delete; only with a proof of who they are that is minutes old."""

import json
from datetime import timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from pypdf import PdfReader

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import Contact, PurchaseLink
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words

PAGES = ["/c/data/", "/c/data/read/", "/c/data/file/", "/c/data/paper/", "/c/data/erase/"]
pytestmark = pytest.mark.django_db


def refusals(cy: Cy) -> list[str]:
    with walls.organization(cy.shop.clinic.pk):
        return list(AuditEvent.objects.filter(action="data.refused").order_by("pk").values_list("reason", flat=True))


@pytest.mark.parametrize("path", PAGES)
def test_who_only_holds_the_link_is_refused_and_that_is_on_the_record(cy: Cy, path: str) -> None:
    cy.answer()  # the birth date is known; the code is not
    page = cy.get(path)
    assert page.status_code == 403
    assert "The link alone does not open your data." in words(page)
    assert "metformin" not in page.content.decode().lower()
    assert refusals(cy) == ["link_only"]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_without_a_session_sees_anything(cy: Cy, path: str) -> None:
    assert cy.get(path).status_code == 403
    cy.get(cy.address)
    assert cy.get(path).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_proof_that_is_older_than_ten_minutes_is_asked_for_again(cy: Cy, path: str) -> None:
    cy.prove()
    with walls.organization(cy.shop.clinic.pk):
        CheckoutSession.objects.update(proved_at=timezone.now() - timedelta(minutes=11))
    page = cy.get(path)
    assert page.status_code == 403
    assert "show us that it is you" in words(page)
    assert refusals(cy) == ["not_fresh"]


def test_to_prove_it_again_leads_through_the_link_to_the_data_page(cy: Cy) -> None:
    cy.prove()
    with walls.organization(cy.shop.clinic.pk):
        CheckoutSession.objects.update(proved_at=None)
    back = cy.post("/c/data/prove/")
    assert back["Location"] == f"{cy.address}?for=data"
    cy.browser.post(back["Location"], {"month": "3", "day": "14", "year": "1968"})
    known = cy.post("/c/code/", code=cy.shop.outside.code)
    assert known["Location"] == "/c/data/"
    assert cy.get("/c/data/").status_code == 200


def test_a_wrong_birth_date_on_that_way_costs_a_try_of_the_link(cy: Cy) -> None:
    cy.prove()
    for _ in range(5):
        cy.browser.post(f"{cy.address}?for=data", {"month": "3", "day": "14", "year": "1969"})
    with walls.organization(cy.shop.clinic.pk):
        assert PurchaseLink.objects.get(pk=cy.link.pk).state == "locked"


def test_all_that_is_kept_in_words_in_a_file_and_on_paper(cy: Cy) -> None:
    cy.prove()
    page = words(cy.get("/c/data/read/"))
    assert "metformin 500 MG" in page
    assert "+12065550142" in page
    file = cy.get("/c/data/file/")
    assert file["Content-Type"] == "application/fhir+json"
    assert file["Cache-Control"] == "no-store"
    made = json.loads(file.content)
    (medicine,) = [one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "MedicationRequest"]
    assert medicine["medicationCodeableConcept"]["text"] == "metformin 500 MG"
    text = "".join(sheet.extract_text() for sheet in PdfReader(BytesIO(cy.get("/c/data/paper/").content)).pages)
    assert "metformin 500 MG" in text
    assert "cy@mail.example" in text
    with walls.organization(cy.shop.clinic.pk):
        said = AuditEvent.objects.filter(action="data.exported").order_by("pk").values_list("reason", flat=True)
        assert list(said) == ["page", "file", "paper"]


def test_a_name_that_looks_like_markup_stays_a_name(cy: Cy) -> None:
    from ehrcommerce.commerce.checkout import paper
    from ehrcommerce.disclosure.bundle import Held

    made = paper.pdf(Held(clinic='#panic("x") *bold* $1$'), language="en")
    assert '#panic("x") *bold* $1$' in PdfReader(BytesIO(made)).pages[0].extract_text()


def test_the_laws_that_the_clinic_switched_on_are_named(cy: Cy) -> None:
    cy.prove()
    page = words(cy.get("/c/data/"))
    assert "HIPAA" in page
    assert "California" not in page
    assert "Europe" not in page
    with walls.organization(cy.shop.clinic.pk):
        type(cy.shop.clinic).objects.update(privacy_ccpa=True, privacy_gdpr=True)
    page = words(cy.get("/c/data/"))
    assert "If you live in California" in page
    assert "If you live in Europe" in page


def test_delete_asks_once_and_then_the_link_is_dead(cy: Cy) -> None:
    cy.prove()
    assert "Delete your data?" in words(cy.get("/c/data/erase/"))
    with walls.organization(cy.shop.clinic.pk):
        assert Contact.objects.exclude(masked="").exists()
    done = cy.post("/c/data/erase/")
    assert "Your data is deleted" in words(done)
    with walls.organization(cy.shop.clinic.pk):
        assert not Contact.objects.exclude(masked="").exists()
    assert cy.get("/c/data/read/").status_code == 403
    assert cy.get(cy.address).status_code == 410


def test_an_open_order_is_named_as_the_reason_to_wait(cy: Cy) -> None:
    cy.ship()
    cy.post("/c/pay/")
    page = words(cy.post("/c/data/erase/"))
    assert "We cannot delete all of it yet" in page
    assert "You have an order that is not done." in page


def test_the_pages_speak_spanish(cy: Cy) -> None:
    cy.prove()
    assert "Sus datos" in words(cy.get("/c/data/?lang=es"))
    assert "¿Borrar sus datos?" in words(cy.get("/c/data/erase/"))
    assert "Todo lo que guardamos" in words(cy.get("/c/data/read/"))


def test_a_form_from_another_site_deletes_nothing(cy: Cy) -> None:
    cy.prove()
    strange = type(cy.browser)(enforce_csrf_checks=True)
    strange.cookies = cy.browser.cookies
    answer = strange.post("/c/data/erase/", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    with walls.organization(cy.shop.clinic.pk):
        assert Contact.objects.exclude(masked="").exists()
