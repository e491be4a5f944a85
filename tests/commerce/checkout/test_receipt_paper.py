"""The receipt as a PDF: the same numbers as the page, tagged, with the names of the items or without."""

import io
from typing import Any

from pypdf import PdfReader

from ehrcommerce.commerce.checkout.models import CheckoutSession, Stage
from ehrcommerce.vault import walls
from tests.commerce.checkout.conftest import Cy, words
from tests.commerce.checkout.test_follow import paid


def paper(cy: Cy, query: str = "") -> PdfReader:
    answer = cy.get(f"/c/receipt/paper/{query}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert "attachment" in answer["Content-Disposition"]
    assert answer["Cache-Control"] == "no-store"
    return PdfReader(io.BytesIO(answer.content))


def text_of(sheet: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in sheet.pages).split())


def test_it_says_what_the_page_says(cy: Cy) -> None:
    paid(cy, plan=True)
    page, made = words(cy.get("/c/receipt/")), text_of(paper(cy))
    for said in ("Metformin", "Full price", "Your plan pays", "Sales tax", "Filled by", "1-800-555-0142"):
        assert said in page
        assert said in made
    sums = {word for word in page.split() if word.strip("\N{MINUS SIGN}").startswith("$")}
    assert sums, "the page has sums"
    assert not {each for each in sums if each not in made}


def test_the_plain_one_names_no_item(cy: Cy) -> None:
    paid(cy)
    assert "/c/receipt/paper/?plain=1" in cy.get("/c/receipt/?plain=1").content.decode()
    made = text_of(paper(cy, "?plain=1"))
    assert "Item 1" in made
    assert "Metformin" not in made


def test_it_speaks_the_language_of_the_page_and_is_tagged(cy: Cy) -> None:
    paid(cy)
    sheet = paper(cy, "?lang=es")
    root: Any = sheet.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "es"
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()
    assert "Recibo" in text_of(sheet)


def test_nobody_gets_it_before_there_is_an_order(cy: Cy) -> None:
    cy.ship()
    with walls.organization(cy.shop.clinic.pk):
        assert CheckoutSession.objects.get().stage != Stage.FOLLOW
    assert cy.get("/c/receipt/paper/").status_code == 302
