"""Turns the translators' `.po` into the `.mo` that gettext reads, so that nobody needs GNU gettext to change a word.

`python -m ehrcommerce.workbench.catalogs` writes every `django.mo` beside its `django.po`; a test compares the two."""

import ast
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

LOCALE = Path(__file__).resolve().parents[2] / "templates" / "locale"
_MAGIC = 0x950412DE


class BadCatalog(ValueError):
    """A line of a .po file cannot be read. Look at the line that is named."""


def entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each entry as its key words (msgid, msgid_plural, msgstr, msgstr[0] ...), with its flags line in front."""
    flags, parts, last = "", dict[str, str](), ""
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        line = line.strip()
        if not line:
            if parts:
                yield flags, parts
            flags, parts, last = "", {}, ""
        elif line.startswith("#"):
            flags += line[1:] if line.startswith("#,") else ""
        elif line.startswith('"'):
            parts[last] += _unquoted(line, number)
        else:
            last, _, rest = line.partition(" ")
            parts[last] = _unquoted(rest.strip(), number)


def _unquoted(words: str, number: int) -> str:
    try:
        value = ast.literal_eval(words)
    except (SyntaxError, ValueError) as problem:
        raise BadCatalog(f"line {number}") from problem
    if not isinstance(value, str):
        raise BadCatalog(f"line {number}")
    return value


def messages(text: str) -> dict[str, str]:
    """What is translated: key and value as a .mo holds them. Fuzzy and empty entries are left out."""
    found: dict[str, str] = {}
    for flags, parts in entries(text):
        key = parts["msgid"] + (f"\0{parts['msgid_plural']}" if "msgid_plural" in parts else "")
        if "msgctxt" in parts:
            key = f"{parts['msgctxt']}\x04{key}"
        forms = [parts[name] for name in sorted(parts) if name.startswith("msgstr")]
        if all(forms) and "fuzzy" not in flags:
            found[key] = "\0".join(forms)
    return found


def compiled(text: str) -> bytes:
    """The bytes of the .mo: a table of lengths and places, then the words, sorted and each ended by a zero byte."""
    pairs = sorted((key.encode(), value.encode()) for key, value in messages(text).items())
    start = 28 + 16 * len(pairs)
    keys, values, index, tail = b"", b"", [], []
    for key, value in pairs:
        index.append((len(key), len(keys)))
        tail.append((len(value), len(values)))
        keys, values = keys + key + b"\0", values + value + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    table = b"".join(struct.pack("<2I", length, start + place) for length, place in index)
    table += b"".join(struct.pack("<2I", length, start + len(keys) + place) for length, place in tail)
    return head + table + keys + values


def sources() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def main() -> None:
    for source in sources():
        source.with_suffix(".mo").write_bytes(compiled(source.read_text(encoding="utf-8")))
        sys.stdout.write(f"{source.with_suffix('.mo')}\n")


if __name__ == "__main__":
    main()
