"""The digest of a packet: one way to write it as bytes, so that preview, payload and gate compare the same thing."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from ehrcommerce.policy.packets import Coding, OrderedItem, Parameter


def as_json(item: OrderedItem) -> dict[str, Any]:
    """A packet as a JSON object; `from_json` is its inverse."""
    return asdict(item)


def from_json(value: dict[str, Any]) -> OrderedItem:
    """The packet that was stored; one that retention erased comes back empty."""
    if not value:
        return OrderedItem(key="", kind="", name="")
    return OrderedItem(
        **{
            **value,
            "codings": tuple(Coding(**coding) for coding in value["codings"]),
            "parameters": tuple(Parameter(**parameter) for parameter in value["parameters"]),
        }
    )


def digest(item: OrderedItem) -> bytes:
    """32 bytes over every field of the packet. Equal bytes: nothing clinical changed, whatever the version says."""
    text = json.dumps(as_json(item), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()
