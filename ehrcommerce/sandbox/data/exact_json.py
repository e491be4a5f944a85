"""JSON that keeps the characters of a number. A dose of 0.50 must reach the wire as 0.50: the standard library would
turn it into a binary fraction on the way in and print 0.5 on the way out."""

import json
from decimal import Decimal
from typing import Any


def dumps(value: Any) -> str:
    """Compact JSON of dict, list, str, bool, int, Decimal and None; a Decimal is written as it was typed."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        raise TypeError("No float in clinical data: write Decimal with the characters that are meant.")
    return json.dumps(value, ensure_ascii=False)


def loads(text: str | bytes) -> Any:
    """The opposite of `dumps`: fractions come back as Decimal with their own characters."""
    return json.loads(text, parse_float=Decimal)
