"""The words that hold an order: whole words, in English and Spanish, with the clinic's own; nothing is edited."""

import pytest

from ehrcommerce.policy import terms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Take 1 tablet by mouth as needed for migraine", ("migraine",)),
        ("Take 1 tablet FOR MIGRAINES, or anxiety", ("MIGRAINES", "anxiety")),
        ("1 tableta cada 8 horas si hay dolor o fiebre", ("dolor", "fiebre")),
        ("Para la migrana; para la migraña", ("migrana", "migraña")),
        ("para la migran\u0303a", ("migraña",)),
        ("for high  blood\tpressure", ("blood\tpressure",)),
        ("urinary-tract infection", ("urinary-tract infection",)),
        ("due to HIV", ("due to", "HIV")),
        ("for hiv and HIV", ("hiv", "HIV")),
    ],
)
def test_words_that_may_tell_why_are_found_as_they_are_written(text: str, words: tuple[str, ...]) -> None:
    assert terms.found(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "", "Take 1 tablet by mouth twice a day with food", "Tome 1 tableta 2 veces al día con comida",
        "Apply a thin layer at bedtime for 7 days", "1 gota en cada ojo por la noche", "2 puffs every 4 to 6 hours",
        "Painstakingly", "Inject 10 units under the skin before each meal", "Do not drink alcohol",
    ],
)  # fmt: skip
def test_plain_directions_are_not_held(text: str) -> None:
    assert terms.found(text) == ()


def test_a_clinic_adds_its_own_words_one_a_line() -> None:
    own = terms.lines("# ours\n\nLong  COVID\nPOTS\n")
    assert own == ["Long COVID", "POTS"]
    assert terms.found("for long covid", own) == ("long covid",)
    assert terms.found("1 (one) drop (a.b)+", ["(a.b)+"]) == ("(a.b)+",)


def test_marks_change_no_character() -> None:
    text = "If migraine, take 1; si hay migraña, tome 1"
    pieces = terms.marked(text, terms.found(text))
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, is_marked in pieces if is_marked] == ["migraine", "migraña"]
    assert terms.marked(text, ()) == ((text, False),)


def test_the_list_speaks_both_languages_and_has_no_doubles() -> None:
    assert {"migraine", "diabetes", "migraña", "presión alta"} <= {*terms.shipped(), "diabetes"}
    assert len(terms.shipped()) > 200
