"""Looks for sentinels in whatever a sink holds, under whatever it was wrapped in: base64 at each offset, URL, HTML, JSON
escapes, gzip and zlib, UTF-16, hex, quoted-printable, reversed, upper case, cut to eight characters. Each wrapping is
taken off and what comes out is looked at again, three deep, so that a JSON inside a base64 inside a gzip is found too."""

import base64
import html
import quopri
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote_to_bytes

from tests.minimization.sentinels import PIECE, Ledger, Mark

DEEP = 3
WINDOW = 48
MOST = 20_000_000
FOLDED = re.compile(rb"(?:zq[a-z2-7]{6}){2,}", re.I)
BACKWARD = re.compile(rb"(?:[a-z2-7]{6}qz){2,}", re.I)
EXACT = re.compile(PIECE.pattern.encode())
DIGITS = re.compile(rb"(?<![0-9A-Za-z.])\+?(\d{6,15}(?:\.\d{1,6})?)(?![0-9A-Za-z])")
POSTAL = re.compile(rb"(?<![0-9A-Za-z])(\d{5}-\d{4})(?![0-9])")
ISO_DAY = re.compile(rb"(?<!\d)([12]\d{3})-?([01]\d)-?([0-3]\d)(?!\d)")
US_DAY = re.compile(rb"(?<!\d)([01]?\d)/([0-3]?\d)/([12]\d{3})(?!\d)")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
SPOKEN_DAY = re.compile(rb"(?<![A-Za-z])([A-Z][a-z]{2,8})\.? ([0-3]?\d),? ([12]\d{3})(?!\d)", re.I)
SPOKEN_DAY_FIRST = re.compile(rb"(?<!\d)([0-3]?\d) (?:de )?([A-Z][a-z]{2,8})\.?,? (?:de )?([12]\d{3})(?!\d)", re.I)
CLOCK = re.compile(rb"(?<!\d)(\d\d:\d\d:\d\d\.\d{6})(?!\d)")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
# Escapes that can hide a sentinel or another wrapping: of letters, digits, and the signs of base64. A page is full of
# escaped quotes and brackets, and says the same with and without them.
_HIDES = rb"(?:3[0-9aAdD]|[46][1-9a-fA-F]|[57][0-9aA]|2[05bBcCdDeEfF])"
PERCENT = re.compile(rb"%" + _HIDES)
ENTITY = re.compile(
    rb"&#(?:[xX]0*" + _HIDES + rb"|0*(?:32|4[3-8]|5[0-8]|6[15-9]|[78]\d|9[07-9]|1[01]\d|12[0-2]));|&amp;(?=#|amp;)"
)
ESCAPE = re.compile(rb"\\(?:u00|x)" + _HIDES)
QUOTED = re.compile(rb"=(?:\r?\n|3D|[46][1-9A-F]|[57][0-9A])")
WIDE = re.compile(rb"(?:[\x20-\x7e]\x00){8,}|(?:\x00[\x20-\x7e]){8,}")
GZIP, ZLIB = b"\x1f\x8b\x08", re.compile(rb"\x78[\x01\x5e\x9c\xda]")


@dataclass(frozen=True, slots=True)
class Hit:
    """One sentinel in one sink. `wrapping` says how it lay there: `plain`, `base64`, `gzip > base64` ..."""

    mark: Mark
    wrapping: str
    found: str
    around: str = ""


def scan(content: bytes, ledger: Ledger) -> set[Hit]:
    """Every sentinel of the ledger in `content`."""
    hits: dict[tuple[Mark, str], Hit] = {}
    for wrapping, layer in _layers(content, "plain", DEEP):
        for hit in _in_layer(layer, wrapping, ledger):
            hits.setdefault((hit.mark, hit.wrapping), hit)
    return set(hits.values())


def _in_layer(layer: bytes, wrapping: str, ledger: Ledger) -> Iterator[Hit]:
    if b"zq" in layer:
        for found in EXACT.finditer(layer):
            if mark := ledger.texts.get(found[0].decode()):
                yield Hit(mark, wrapping, found[0].decode(), _around(layer, found.start()))
    small = layer.lower()
    for pattern, sign, how, turned in (
        (FOLDED, b"zq", "case", bytes.lower),
        (BACKWARD, b"qz", "reversed", _reversed),
    ):
        for found in pattern.finditer(layer) if sign in small else ():
            whole = turned(found[0])
            if whole != found[0]:
                for piece in EXACT.finditer(whole):
                    if mark := ledger.texts.get(piece[0].decode()):
                        yield Hit(mark, _more(wrapping, how), piece[0].decode(), _around(layer, found.start()))
    yield from _numbers(layer, wrapping, ledger)


def _reversed(said: bytes) -> bytes:
    return said[::-1].lower()


def _numbers(layer: bytes, wrapping: str, ledger: Ledger) -> Iterator[Hit]:
    for found in DIGITS.finditer(layer):
        said = found[1].decode()
        mark = ledger.digits.get(said) or (ledger.digits.get(said[1:]) if len(said) == 11 else None)
        if mark:
            yield Hit(mark, wrapping, said, _around(layer, found.start()))
    for found in POSTAL.finditer(layer):
        if mark := ledger.digits.get(found[1].decode()):
            yield Hit(mark, wrapping, found[1].decode(), _around(layer, found.start()))
    for found in CLOCK.finditer(layer):
        if mark := ledger.times.get(found[1].decode()):
            yield Hit(mark, wrapping, found[1].decode(), _around(layer, found.start()))
    for place, day in _days(layer):
        if mark := ledger.days.get(day):
            yield Hit(mark, wrapping, day.isoformat(), _around(layer, place))


def _days(layer: bytes) -> Iterator[tuple[int, date]]:
    for found in ISO_DAY.finditer(layer):
        yield from _day(found.start(), int(found[1]), int(found[2]), int(found[3]))
    for found in US_DAY.finditer(layer):
        yield from _day(found.start(), int(found[3]), int(found[1]), int(found[2]))
    for found in SPOKEN_DAY.finditer(layer):
        yield from _day(found.start(), int(found[3]), _month(found[1]), int(found[2]))
    for found in SPOKEN_DAY_FIRST.finditer(layer):
        yield from _day(found.start(), int(found[3]), _month(found[2]), int(found[1]))


def _month(word: bytes) -> int:
    said = word.decode().lower()
    return next((number for number, name in enumerate(MONTHS, 1) if name.startswith(said)), 0)


def _day(place: int, year: int, month: int, day: int) -> Iterator[tuple[int, date]]:
    try:
        yield place, date(year, month, day)
    except ValueError:
        return


def _around(layer: bytes, place: int) -> str:
    return layer[max(place - 60, 0) : place + 60].decode("ascii", "replace").replace("\n", " ")


def _more(wrapping: str, how: str) -> str:
    return how if wrapping == "plain" else f"{wrapping} > {how}"


def _layers(content: bytes, wrapping: str, deep: int) -> Iterator[tuple[str, bytes]]:
    yield wrapping, content
    if deep == 0 or not content:
        return
    for how, unwrap in UNWRAP.items():
        inner = unwrap(content)
        if inner and inner != content:
            yield from _layers(inner[:MOST], _more(wrapping, how), deep - 1)


def _base64(content: bytes) -> bytes:
    """Every run that can be base64, read at each of the four alignments, so that the three byte offsets are covered."""
    found = []
    for run in BASE64.findall(content):
        plain = run.replace(b"-", b"+").replace(b"_", b"/")
        for start in range(4):
            part = plain[start:]
            part = part[: len(part) - len(part) % 4]
            # Four alignments of the text are the three offsets of the bytes and their neighbors.
            if part:
                found.append(base64.b64decode(part))
    return _telling(found)


def _hex(content: bytes) -> bytes:
    found = []
    for run in HEX.findall(content):
        found.append(bytes.fromhex(run.decode()))
        if len(run) > 18:
            shifted = run[1:-1]
            found.append(bytes.fromhex(shifted[: len(shifted) - len(shifted) % 2].decode()))
    return _telling(found)


def _telling(found: list[bytes]) -> bytes:
    """Only what can hold a sentinel or another wrapping: most of what decodes is noise."""
    return b"\n".join(part for part in found if _may_tell(part))


def _may_tell(part: bytes) -> bool:
    readable = sum(32 <= byte < 127 for byte in part[:64])
    return (
        readable * 10 >= len(part[:64]) * 7 or GZIP in part[:4] or ZLIB.match(part) is not None or b"zq" in part.lower()
    )


def _url(content: bytes) -> bytes:
    return unquote_to_bytes(content) if PERCENT.search(content) else b""


def _html(content: bytes) -> bytes:
    return (
        html.unescape(content.decode("utf-8", "replace")).encode("utf-8", "replace") if ENTITY.search(content) else b""
    )


def _json(content: bytes) -> bytes:
    if not ESCAPE.search(content):
        return b""
    return ESCAPE.sub(lambda found: chr(int(found[0][2:], 16)).encode("utf-8", "replace"), content)


def _quoted(content: bytes) -> bytes:
    return quopri.decodestring(content) if len(QUOTED.findall(content)) > 1 else b""


def _wide(content: bytes) -> bytes:
    return b"\n".join(run.replace(b"\x00", b"") for run in WIDE.findall(content))


def _squeezed(content: bytes) -> bytes:
    """gzip and zlib streams, wherever they begin; a broken end does not hide the beginning."""
    starts = [found.start() for found in re.finditer(re.escape(GZIP), content)]
    starts += [found.start() for found in ZLIB.finditer(content)]
    found = []
    for start in sorted(starts)[:2000]:
        for way in (zlib.MAX_WBITS | 16, zlib.MAX_WBITS):
            try:
                found.append(zlib.decompressobj(way).decompress(content[start:], MOST))
                break
            except zlib.error:
                continue
    return b"\n".join(found)


UNWRAP: dict[str, Callable[[bytes], bytes]] = {
    "base64": _base64, "url": _url, "html": _html, "json": _json, "quoted-printable": _quoted, "utf-16": _wide,
    "hex": _hex, "gzip": _squeezed,
}  # fmt: skip
