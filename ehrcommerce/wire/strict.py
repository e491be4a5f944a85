"""Reading JSON of strangers: one object, each name once, no NaN, no nesting beyond reason. For FHIR answers (whose numbers
keep their own characters) and for tokens (whose numbers are numbers)."""

import json
from typing import Any

MAX_DEPTH = 64


class StrictDecoder(json.JSONDecoder):
    """Refuses names that stand twice, NaN and the like. `joserfc` takes such a class for the claims of a token."""

    def __init__(self, **_: Any) -> None:
        super().__init__(object_pairs_hook=_unique, parse_constant=_no_constant)


class TextNumbers(json.JSONDecoder):
    """The same, and every number stays the text that it was: a dose of 0.50 must not become 0.5."""

    def __init__(self, **_: Any) -> None:
        super().__init__(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=str, parse_int=str)


def one_object(body: bytes, decoder: type[json.JSONDecoder] = StrictDecoder) -> dict[str, Any]:
    """One JSON object, a byte order mark before it tolerated. Raises ValueError for anything else."""
    try:
        value = json.loads(body.decode("utf-8-sig"), cls=decoder)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem
    if not isinstance(value, dict) or _depth(value) > MAX_DEPTH:
        raise ValueError("not one JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _depth(value: Any, level: int = 0) -> int:
    if level > MAX_DEPTH or not isinstance(value, (dict, list)):
        return level
    parts = value.values() if isinstance(value, dict) else value
    return max((_depth(part, level + 1) for part in parts), default=level)
