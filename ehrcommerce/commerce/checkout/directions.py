"""The label's directions and the amount, in the patient's language: as written, or not at all.

Half of machine-made Spanish labels are wrong in a way that harms ("once" is eleven), so nothing is translated. Where
dose and timing are coded, and the clinician's own words say exactly that and nothing more, a sentence that a person
reviewed is filled with digits; else the patient reads the words of the chart and is told to ask the pharmacist."""

import re
from dataclasses import dataclass

from ehrcommerce.policy.packets import OrderedItem

_FORMS = r"(tablet|tab|capsule|cap)(?:s|\(s\))?"
_DOSE = re.compile(rf"([1-9]) {_FORMS}", re.IGNORECASE)
_TIMING = re.compile(r"([1-6]) per 1 d")
_SAID = re.compile(
    rf"take ([1-9]|one|two|three|four) {_FORMS} by mouth (once|twice|(?:[1-6]|two|three|four) times?)"
    r" (?:(?:a|per|every|each) day|daily)\.?",
    re.IGNORECASE,
)
_NUMBER = {"one": 1, "once": 1, "two": 2, "twice": 2, "three": 3, "four": 4}
_SPANISH = {"tab": ("tableta", "tabletas"), "cap": ("cápsula", "cápsulas")}
_BY_MOUTH = frozenset({"", "oral", "oral route", "by mouth", "po"})


@dataclass(frozen=True, slots=True)
class Directions:
    """`text` in `language`; `ask` where the patient must ask somebody what it means."""

    text: str
    language: str
    ask: bool = False


def directions_of(item: OrderedItem, language: str) -> Directions:
    """How the page shows this item's directions."""
    if language != "es" or not item.directions:
        return Directions(item.directions, "en")
    spanish = reviewed(item)
    return Directions(spanish, "es") if spanish else Directions(item.directions, "en", ask=True)


def reviewed(item: OrderedItem) -> str:
    """One of the reviewed Spanish sentences, "" where none fits exactly."""
    dose, timing = _DOSE.fullmatch(item.dose.strip()), _TIMING.fullmatch(item.timing.strip())
    said = _SAID.fullmatch(" ".join(item.directions.split()))
    if dose is None or timing is None or said is None or item.route.strip().casefold() not in _BY_MOUTH:
        return ""
    count, times, form = int(dose[1]), int(timing[1]), dose[2].casefold()[:3]
    if (count, form, times) != (_number(said[1]), said[2].casefold()[:3], _number(said[3].split()[0])):
        return ""
    many, often = _SPANISH[form][count != 1], "vez" if times == 1 else "veces"
    return f"Tome {count} {many} por la boca, {times} {often} al día."


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBER[word.casefold()]


# What a price buys, as the catalog writes it: the noun in English -> one and many in Spanish.
_NOUNS = {
    "tablet": ("tableta", "tabletas"),
    "capsule": ("cápsula", "cápsulas"),
    "inhaler": ("inhalador", "inhaladores"),
    "kit": ("kit", "kits"),
    "piece": ("pieza", "piezas"),
    "stocking": ("media", "medias"),
    "bottle": ("frasco", "frascos"),
    "box": ("caja", "cajas"),
}
_AMOUNT = re.compile(r"(\d+) ([a-z]+?)(?:s|es)?( of \d+)?", re.IGNORECASE)


def amount_of(basis: str, language: str) -> Directions:
    """How the page shows how much a price buys: "180 tablets", "180 tabletas"."""
    found = _AMOUNT.fullmatch(basis.strip())
    if language != "es" or found is None or found[2].casefold() not in _NOUNS:
        return Directions(basis, "en")
    noun = _NOUNS[found[2].casefold()][found[1] != "1"]
    return Directions(f"{found[1]} {noun}{(found[3] or '').replace(' of ', ' de ')}", "es")
