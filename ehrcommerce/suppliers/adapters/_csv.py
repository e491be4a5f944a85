"""Tables for and from partners without an API. A cell that a spreadsheet would take for a formula is made harmless on
the way out and refused on the way in (SEC-B17)."""

import csv
import io
from collections.abc import Iterable, Sequence

# What a spreadsheet begins to compute on; the wide forms count as the narrow ones in some of them.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")
END = "END"
MOST_CELL = 2_000


class BadTable(ValueError):
    """A table of a partner cannot be read. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def harmless(text: str) -> str:
    """As text to every spreadsheet: an apostrophe before what looks like a formula, also behind blanks. Readers take it
    off again."""
    return f"'{text}" if text.startswith("'") or text.lstrip(" \u00a0").startswith(FORMULA) else text


def is_formula(text: str) -> bool:
    return text.lstrip(" \u00a0").startswith(FORMULA)


def written(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """UTF-8, CRLF, every cell quoted (RFC 4180), and a last line that says how many rows there were."""
    made = io.StringIO()
    table = csv.writer(made, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(header)
    number = 0
    for row in rows:
        number += 1
        table.writerow([harmless(cell) for cell in row])
    table.writerow([END, str(number)])
    return made.getvalue().encode()


def read(content: bytes, header: Sequence[str]) -> list[tuple[int, list[str]]]:
    """(line number, cells) of each row. BadTable: bad_encoding, bad_header, no_end, missing_rows, extra_rows,
    not_a_table."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadTable("bad_encoding") from None
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise BadTable("not_a_table") from None
    rows = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not rows or rows[0][1] != list(header):
        raise BadTable("bad_header")
    if len(rows) < 2 or rows[-1][1][0] != END or len(rows[-1][1]) != 2 or not rows[-1][1][1].isdecimal():
        raise BadTable("no_end")
    said, found = int(rows[-1][1][1]), len(rows) - 2
    if said != found:
        raise BadTable("missing_rows" if found < said else "extra_rows")
    return rows[1:-1]
