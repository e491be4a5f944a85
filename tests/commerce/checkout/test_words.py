"""The words themselves: complete in Spanish, easy to read, one text message each, and silent about what was ordered."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

from ehrcommerce.accounts.models import Organization
from ehrcommerce.commerce.checkout.directions import amount_of, directions_of
from ehrcommerce.commerce.checkout.tracker import MONEY, WORDS
from ehrcommerce.commerce.offers.messages import TextTooLong, fits_one_segment, gsm, render, septets
from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.policy.packets import OrderedItem
from ehrcommerce.workbench import catalogs
from tests.commerce.checkout.conftest import METFORMIN

BASE = Path(settings.BASE_DIR)
TEMPLATES = [
    *sorted((BASE / "templates/checkout").glob("*.html")),
    *sorted((BASE / "templates/components").glob("*.html")),
    *sorted((BASE / "templates/messages").rglob("*.txt")),
    *sorted((BASE / "templates/messages").rglob("*.html")),
    *(BASE / "templates/errors" / name for name in ("403.html", "404.html", "405.html", "csrf.html")),
]
CODE = sorted((BASE / "ehrcommerce/commerce/checkout").rglob("*.py"))
SPANISH = catalogs.messages((BASE / "templates/locale/es/LC_MESSAGES/django.po").read_text(encoding="utf-8"))
LITERAL = r"""u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf"(?<![\w.])_?(n?gettext(?:_lazy)?|_)\({LITERAL}(?:,\s*{LITERAL})?")
EVENTS = (
    "paid",
    "accepted",
    "shipped",
    "delivered",
    "returned",
    "cancelled",
    "refused",
    "stopped",
    "refunded",
    "problem",
    "news",
)
NAMES = ("link", "reminder", "code", *(f"status_{event}" for event in EVENTS))
CONTEXT = {
    "url": "https://pay.lakeside.example/l/7K3M9QXTB2VW4HND8RZC5P2345/", "expires_at": None, "code": "482913",
    "minutes": 10, "host": "pay.lakeside.example",
}  # fmt: skip


def said_in(path: Path) -> Iterator[str]:
    """Every English text of a file that is translated."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
                words = [
                    part.value for part in node.args[: 1 + (node.func.id != "_")] if isinstance(part, ast.Constant)
                ]
                yield "\0".join(map(str, words))
        return
    for found in CALL.finditer(templatize(text)):
        yield ast.literal_eval(found[2])


ALL = sorted({text for path in (*TEMPLATES, *CODE) for text in said_in(path)})


def clinic(**changes: str) -> Organization:
    fields = {"alias": "Lakeside Clinic", "phone": "1-800-555-0142", "time_zone": "America/Los_Angeles"}
    return Organization(**{**fields, **changes})


# ---------------------------------------------------------------------------------------------------------- Spanish
def test_the_texts_are_found_at_all() -> None:
    assert len(ALL) > 200


def test_every_word_for_patients_is_there_in_spanish() -> None:
    assert [text for text in ALL if text not in SPANISH] == []


@pytest.mark.parametrize("english", sorted(SPANISH))
def test_spanish_keeps_each_placeholder(english: str) -> None:
    if english:
        assert set(re.findall(r"%\(\w+\)s", SPANISH[english])) == set(re.findall(r"%\(\w+\)s", english))


def test_the_compiled_catalog_is_the_written_one() -> None:
    for source in catalogs.sources():
        assert source.with_suffix(".mo").read_bytes() == catalogs.compiled(source.read_text(encoding="utf-8"))


def test_spanish_never_shows_the_bare_english_once() -> None:
    assert [text for text in SPANISH.values() if re.search(r"\bonce\b", text, re.IGNORECASE)] == []


def test_every_state_has_its_words() -> None:
    assert set(WORDS) == set(OrderState.values)
    assert set(MONEY) == set(MoneyState.values)


# ------------------------------------------------------------------------------------------------------- directions
def test_simple_coded_directions_come_from_the_reviewed_sentence() -> None:
    shown = directions_of(METFORMIN, "es")
    assert (shown.text, shown.language, shown.ask) == ("Tome 1 tableta por la boca, 2 veces al día.", "es", False)


@pytest.mark.parametrize(
    "change",
    [
        {"directions": "Take 1 tablet by mouth twice a day with food"},
        {"directions": "Take 2 tablets by mouth twice a day"},
        {"timing": "2 per 1 d, as needed"}, {"timing": "2 per 1 wk"}, {"dose": "0.5 tablet"}, {"route": "Rectal"},
        {"dose": ""},
    ],
)  # fmt: skip
def test_whatever_says_more_stays_as_written_and_asks_the_pharmacist(change: dict[str, str]) -> None:

    item: OrderedItem = replace(METFORMIN, **change)  # type: ignore[arg-type]
    shown = directions_of(item, "es")
    assert (shown.text, shown.language, shown.ask) == (item.directions, "en", True)


def test_amounts_are_said_in_spanish_where_the_noun_is_known() -> None:
    said = [
        amount_of(basis, "es").text for basis in ("180 tablets", "1 kit", "1 box of 50", "2 boxes of 50", "3 wafers")
    ]
    assert said == ["180 tabletas", "1 kit", "1 caja de 50", "2 cajas de 50", "3 wafers"]


# --------------------------------------------------------------------------------------------------------- messages
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_one_segment_and_says_nothing_of_the_person_or_the_order(name: str, language: str) -> None:
    words = render(name, language=language, organization=clinic(), context=CONTEXT)
    assert fits_one_segment(words.sms), (septets(words.sms), words.sms)
    for text in (words.sms, words.subject, words.text, words.html):
        assert "Lakeside Clinic" in text
        assert not re.search(r"pharmac|farmac|medicin|tablet|\$|doctor", text, re.IGNORECASE)
        assert not re.search(r"[{}]|None", text)
    assert "\n" not in words.subject
    assert not re.search(r"<(img|script|link)", words.html)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_longest_alias_still_fits_and_accents_are_spelled_in_the_alphabet(language: str) -> None:
    long = clinic(alias="Clínica Família São José de la Montaña S"[:40])
    for name in NAMES:
        words = render(name, language=language, organization=long, context=CONTEXT)
        assert fits_one_segment(words.sms), words.sms


def test_what_cannot_fit_is_an_error_with_a_remedy() -> None:
    with pytest.raises(TextTooLong):
        render("link", language="en", organization=clinic(), context={"url": "https://" + "x" * 150})


def test_one_letter_outside_the_alphabet_is_seen() -> None:
    assert fits_one_segment("é" * 160)
    assert not fits_one_segment("á")
    assert septets("[]") == 4
    assert gsm("Clínica Ñuñoa é") == "Clinica Ñuñoa é"


def test_a_phone_can_fill_in_the_code() -> None:
    words = render("code", language="es", organization=clinic(), context=CONTEXT)
    assert words.sms.split("\n")[-1] == "@pay.lakeside.example #482913"


# ---------------------------------------------------------------------------------------------------- reading level
def syllables(word: str) -> int:
    """Groups of vowels, without a silent e: good to half a grade over a page."""
    word = re.sub(r"(?:[^laeiouy]es|ed|[^laeiouy]e)$", "", word.lower()) or word.lower()
    return max(1, len(re.findall(r"[aeiouy]+", word)))


def grade(text: str) -> float:
    """Flesch-Kincaid."""
    sentences = max(1, len(re.findall(r"[.!?:](?:\s|$)", text)))
    words = re.findall(r"[A-Za-z']+", text)
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def plain(text: str) -> str:
    text = re.sub(r"%\(\w+\)s", "it", text.split("\0")[0])
    return text if text.endswith((".", "?", "!", ":")) else f"{text}."


@pytest.mark.parametrize(
    "path", [path for path in (*TEMPLATES, *CODE) if sum(1 for _ in said_in(path)) > 2], ids=lambda path: path.name
)
def test_a_page_can_be_read_in_the_sixth_grade(path: Path) -> None:
    text = " ".join(plain(text) for text in said_in(path))
    assert grade(text) <= (8 if path.name == "consents.py" else 6), f"{grade(text):.1f}: {text}"


def test_no_sentence_is_long() -> None:
    sentences = [part for text in ALL for part in re.split(r"(?<=[.!?])\s", plain(text))]
    assert [part for part in sentences if len(part.split()) > 20 and "cookies" not in part] == []


def test_the_check_would_see_a_legal_paragraph() -> None:
    legal = (
        "Notwithstanding any provision hereinafter, authorization constitutes acknowledgment of applicable obligations."
    )
    assert grade(legal) > 12
