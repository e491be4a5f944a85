"""Words in free text that may tell for what a medicine is. A list of paths cannot close that hole: the directions go to
the pharmacy and to the patient as they were written, so somebody who knows looks at them first. Nothing is edited here."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SHIPPED = Path(__file__).with_name("terms.txt")


@cache
def shipped() -> tuple[str, ...]:
    """The terms of terms.txt, English and Spanish."""
    return tuple(lines(SHIPPED.read_text("utf-8")))


def lines(text: str) -> list[str]:
    """The terms of a list with one a line; lines that begin with # are remarks."""
    return [term for line in text.splitlines() if (term := " ".join(line.split())) and not term.startswith("#")]


def found(text: str, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The terms that stand in `text` as whole words, as they are written there, each once."""
    plain = unicodedata.normalize("NFC", text)
    return tuple(dict.fromkeys(plain[begin:end] for begin, end in _places(plain, more)))


def marked(text: str, words: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """`text` in pieces, each with whether it is one of `words`: for a page that marks them."""
    plain, pieces, at = unicodedata.normalize("NFC", text), [], 0
    pattern = _pattern(tuple(_flat(word) for word in words))
    for hit in pattern.finditer(_flat(plain)) if pattern else ():
        pieces += [(plain[at : hit.start()], False), (plain[hit.start() : hit.end()], True)]
        at = hit.end()
    return tuple(piece for piece in (*pieces, (plain[at:], False)) if piece[0])


def _places(plain: str, more: Iterable[str]) -> list[tuple[int, int]]:
    pattern = _pattern(tuple(dict.fromkeys(map(_flat, (*shipped(), *more)))))
    return [hit.span() for hit in pattern.finditer(_flat(plain))] if pattern else []


@cache
def _pattern(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    """Longer terms first; between the words of one any blanks or hyphens. None for no terms."""
    ways = [
        r"[\s\-]+".join(map(re.escape, re.split(r"[\s\-]+", term))) for term in sorted(terms, key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(ways)})(?:e?s)?(?!\w)") if ways else None


def _flat(text: str) -> str:
    """Small letters without accents, one for each character, so that places stay what they are."""
    return "".join(
        (unicodedata.normalize("NFD", one)[0].lower() or one)[0] for one in unicodedata.normalize("NFC", text)
    )
