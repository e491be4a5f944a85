"""The sheet with the QR code as a PDF: two languages, the address to type, and nobody's name."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from pypdf import PdfReader

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import sheet_paper

ADDRESS = "https://pay.lakeside.example/l/7K3M9QXTB2VW4HND8RZC5PABCD/"
# Three in the morning in UTC is still the day before at the clinic.
ENDS = datetime(2026, 12, 4, 3, tzinfo=UTC)
CLINIC = Organization(
    name="Lakeside Oncology", alias="Lakeside Health", phone="1-800-555-0142", time_zone="America/Los_Angeles"
)


@pytest.fixture(scope="module")
def sheets() -> tuple[PdfReader, PdfReader]:
    """As for a message, and for somebody whom none can reach."""
    made = [sheet_paper.pdf(address=ADDRESS, clinic=CLINIC, expires_at=ENDS, is_printed=each) for each in (False, True)]
    return PdfReader(io.BytesIO(made[0])), PdfReader(io.BytesIO(made[1]))


def _text(sheet: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in sheet.pages).split())


def test_both_languages_stand_on_one_page_with_the_address_to_type(sheets: tuple[PdfReader, PdfReader]) -> None:
    text = _text(sheets[0])
    for said in (
        "Scan this code with your phone", "Escanee este código", "It works until December 3, 2026",
        "3 de diciembre de 2026", "1-800-555-0142", "We ask for your birth date.", ADDRESS,
    ):  # fmt: skip
        assert said in text
    assert len(sheets[0].pages) == 1


def test_it_names_no_specialty(sheets: tuple[PdfReader, PdfReader]) -> None:
    assert "Lakeside Health" in _text(sheets[0])
    assert "Oncology" not in _text(sheets[0])


def test_who_gets_no_code_reads_what_is_asked(sheets: tuple[PdfReader, PdfReader]) -> None:
    assert "last name and ZIP code" in _text(sheets[1])
    assert "last name" not in _text(sheets[0])


def test_it_is_tagged_and_its_code_is_described(sheets: tuple[PdfReader, PdfReader]) -> None:
    root: Any = sheets[0].trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert b"pdfuaid" in root["/Metadata"].get_object().get_data()


def test_what_a_clinic_is_called_never_becomes_a_command() -> None:
    clinic = Organization(alias='#panic("x") *bold* $1$', phone="1", time_zone="UTC")
    made = sheet_paper.pdf(address=ADDRESS, clinic=clinic, expires_at=ENDS, is_printed=False)
    assert '#panic("x")' in _text(PdfReader(io.BytesIO(made)))
