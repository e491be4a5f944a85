"""The page behind the link, before anybody is known: mail scanners, previews and strangers open it too."""

import re

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words

TELLTALE = ("metformin", "glucose", "Rivera", "Okafor", "tablet", "pharmacy", "$")


def rows(cy: Cy) -> tuple[object, ...]:
    with walls.organization(cy.shop.clinic.pk):
        link = PurchaseLink.objects.filter(pk=cy.link.pk).values_list("state", "opened_at", "tries_left").get()
        return (*link, CheckoutSession.objects.count(), AuditEvent.objects.count())


def test_fifty_looks_change_nothing_and_the_link_still_works(cy: Cy) -> None:
    before = rows(cy)
    for number in range(50):
        look = cy.browser.head if number % 2 else cy.browser.get
        assert look(cy.address, headers={"User-Agent": f"scanner/{number}"}).status_code == 200
    assert rows(cy) == before
    assert cy.answer().headers["Location"] == "/c/code/"


def test_the_first_page_shows_nothing_of_the_person_or_the_order(cy: Cy) -> None:
    page = cy.get(cy.address)
    text = page.content.decode()
    assert "<title>Secure message</title>" in text
    assert not [word for word in TELLTALE if word.lower() in text.lower()]
    assert "Lakeside Clinic" in text


def test_the_first_page_costs_at_most_two_queries_and_begins_no_session(cy: Cy) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = Client().get(cy.address)
    assert len(queries) <= 2
    assert "__Host-checkout" not in page.cookies
    assert "sessionid" not in page.cookies
    assert "__Host-staff" not in page.cookies


def test_all_unknown_links_are_one_page(cy: Cy) -> None:
    token = cy.address.split("/")[2]
    nearly = token[:-1] + ("3" if token.endswith("2") else "2")
    pages = [Client().get(f"/l/{unknown}/") for unknown in ("2" * 26, "ZZZZ", nearly)]
    assert {page.status_code for page in pages} == {404}
    assert len({page.content for page in pages}) == 1
    assert not any(page.cookies for page in pages)


def test_each_end_of_a_link_has_its_own_page_without_names(cy: Cy) -> None:
    for state, said in (
        ("revoked", "The clinic stopped this link"), ("superseded", "newer link"),
        ("expired", "too old"), ("locked", "Too many tries"),
    ):  # fmt: skip
        with walls.organization(cy.shop.clinic.pk):
            PurchaseLink.objects.filter(pk=cy.link.pk).update(state=state)
        page = cy.get(cy.address)
        assert page.status_code == 410
        assert said in words(page)
        assert "You were not charged" in words(page)
        assert "1-800-555-0142" in words(page)
        assert not [word for word in TELLTALE[:5] if word.lower() in page.content.decode().lower()]


def test_every_patient_page_is_strict_about_scripts_caches_and_frames(cy: Cy) -> None:
    page = cy.get(cy.address)
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.content.decode()
    assert "style=" not in page.content.decode()


def test_a_form_from_elsewhere_is_refused(cy: Cy) -> None:
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(cy.address)
    form = {"month": "3", "day": "14", "year": "1968"}
    assert strict.post(cy.address, form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    guard = re.search(r'name="(guard)" value="([^"]+)"', page.content.decode())
    assert guard is not None
    ours = {**form, guard[1]: guard[2]}
    assert strict.post(cy.address, ours, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302
