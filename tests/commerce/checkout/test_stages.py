"""Nobody gets to a later page but through the ones before."""

import pytest
from django.test import Client

from tests.commerce.checkout.conftest import EMAIL, METER, Cy

PAGES = ("/c/check/", "/c/price/", "/c/where/", "/c/pay/", "/c/follow/", "/c/receipt/", "/c/cancel/", "/c/shared/")


@pytest.mark.parametrize("path", [*PAGES, "/c/code/", "/c/return/6f1c9b52-0d3e-4a68-9b1e-2f4f7c1f0a55/"])
def test_without_a_session_every_page_says_open_the_link(cy: Cy, path: str) -> None:
    page = Client().get(path)
    assert page.status_code == 403
    assert b"open your link again" in page.content


def test_before_the_code_there_is_only_the_code(cy: Cy) -> None:
    cy.answer()
    for path in PAGES:
        assert cy.get(path).headers["Location"] == "/c/code/"
        if path not in ("/c/follow/", "/c/receipt/", "/c/shared/"):
            assert (
                cy.post(path, pay_with="full", agree_prescription="1", place="file").headers["Location"] == "/c/code/"
            )


def test_each_page_opens_the_next_and_not_the_one_after(cy: Cy) -> None:
    cy.prove()
    for path in PAGES[1:]:
        assert cy.get(path).headers["Location"] == "/c/check/"
    cy.post("/c/check/", pay_with="full")
    for path in PAGES[2:]:
        assert cy.get(path).headers["Location"] == "/c/price/"
    cy.post("/c/price/", **cy.boxes(), quote=cy.quote())
    for path in PAGES[3:]:
        assert cy.get(path).headers["Location"] == "/c/where/"
    cy.post("/c/where/", place="file")
    assert cy.get("/c/pay/").status_code == 200
    for path in PAGES[4:]:
        assert cy.get(path).headers["Location"] == "/c/pay/"


def test_earlier_pages_stay_open_until_there_is_an_order(cy: Cy) -> None:
    cy.ship()
    for path in ("/c/check/", "/c/price/", "/c/where/"):
        assert cy.get(path).status_code == 200
    cy.post("/c/pay/")
    for path in ("/c/check/", "/c/price/", "/c/where/", "/c/code/"):
        assert cy.get(path).headers["Location"] == "/c/pay/"


def test_one_session_says_nothing_of_another(cy: Cy) -> None:

    other = Cy(cy.shop, cy.shop.offer(("GLU", METER), contacts=(EMAIL,)))
    cy.ship()
    other.prove()
    assert b"Metformin" not in other.get("/c/check/").content
    assert b"Blood glucose meter kit" in other.get("/c/check/").content
    assert other.get("/c/pay/").headers["Location"] == "/c/check/"
