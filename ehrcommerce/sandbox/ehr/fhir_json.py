"""JSON that keeps the characters of its numbers: 1.10 stays 1.10, which in a dose is not the same as 1.1."""

import json
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, NoReturn, Self

Json = dict[str, Any]


class Number(Decimal):
    """A decimal with the text it was written in."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def parse(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN and Infinity."""
    return json.loads(text, parse_float=Number, parse_constant=_refuse)


def parse_object(text: str | bytes) -> Json:
    """The JSON object. Raises ValueError for anything else."""
    value = parse(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def write(value: Any) -> str:
    """The JSON text of a parsed or built value."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(name)}:{write(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, Decimal):
        return value.text if isinstance(value, Number) else format(value, "f")
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Half a surrogate pair is written escaped: no encoding has bytes for it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return encode_basestring_ascii(text)
    return encode_basestring(text)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
