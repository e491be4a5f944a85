"""What a body says, as a flat list of paths: for whoever must compare it with the table before it goes out."""

from collections.abc import Iterator, Mapping
from typing import Any

# No field of a packet is longer; whoever sends more has put something else into it.
MOST_CHARACTERS = 500


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value with the names that lead to it, dots between; lists are looked through, and something empty is
    a leaf too, since its name alone may say something."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and value:
        for part in value:
            yield from leaves(part, path)
    else:
        yield path, value


def problems(body: Mapping[str, Any], sends: Mapping[str, str], granted: frozenset[str]) -> dict[str, str]:
    """Why a body may not go out: name -> not_granted | unknown_field | too_long | not_plain; {} where it may.

    `sends`: path of the body -> field of the table that stands there. A name is a field of the table, or the part of a
    path that `sends` knows: what else stands in a body may be anything, also a name of a person.
    """
    found: dict[str, str] = {}
    for path, value in leaves(body):
        field = sends.get(path, "")
        if not path:
            continue
        if not field:
            if not (value in ({}, [], ()) and any(known.startswith(f"{path}.") for known in sends)):
                found[_known_part(path, sends)] = "unknown_field"
        elif field not in granted:
            found[field] = "not_granted"
        elif not (value is None or isinstance(value, str | int)):
            found[field] = "not_plain"  # a float among them: no dose and no price is one
        elif isinstance(value, str) and field.startswith("OrderedItem.") and len(value) > MOST_CHARACTERS:
            found[field] = "too_long"
    return found


def _known_part(path: str, sends: Mapping[str, str]) -> str:
    parts, known = path.split("."), 0
    while known < len(parts) and any(one.startswith(".".join(parts[: known + 1]) + ".") for one in sends):
        known += 1
    return ".".join((*parts[:known], "?"))
