"""Tracking at any carrier that answers a GET with JSON: the row's options say where the word stands and what it means.

`options` (left: ours, right: theirs):
  "path": "track/v1/shipments?number={number}"
  "status": "shipments.0.status"      names and places, dots between
  "callback_number": "data.parcel.number"   where their callbacks name the parcel; "number" if left out
  "words": {"in_transit": "shipped", "handed_over": "delivered", ...}

| their word                          | ours                                      |
| one of `words`                      | shipped, delivered, exception or returned |
| any other                           | unknown                                   |
| 404, or nothing where the word is   | "": they have never heard of it           |"""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from ehrcommerce.suppliers import last_line
from ehrcommerce.suppliers.adapters._http_partner import HttpPartner

OURS = frozenset({"shipped", "delivered", "exception", "returned"})


class Adapter(HttpPartner):
    sends: ClassVar[Mapping[str, str]] = {"number": "Shipment.tracking_number"}

    def track(self, number: str) -> str:
        last_line.require(self.supplier, self.sends, {"number": number})
        options = self.supplier.options
        found = self.read(str(options.get("path", "track/{number}")).replace("{number}", quote(number, safe="")))
        word = _at(found, str(options.get("status", "status")).split("."))
        if word is None:
            return ""
        words = options.get("words")
        ours = words.get(word) if isinstance(words, dict) and isinstance(word, str) else None
        return ours if ours in OURS else "unknown"

    def read_callback(self, body: Mapping[str, Any]) -> str:
        number = _at(body, str(self.supplier.options.get("callback_number", "number")).split("."))
        return number[:64] if isinstance(number, str) else ""


def _at(value: Any, path: list[str]) -> Any:
    """What stands there, None where the way ends before."""
    for name in path:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
