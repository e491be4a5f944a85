"""The digest of a packet: one way to write it as bytes, so that preview, payload and gate compare the same thing."""

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any

from ehrcommerce.policy.packets import Coding, OrderedItem, Parameter


def as_json(item: OrderedItem) -> dict[str, Any]:
    """A packet as a JSON object; `from_json` is its inverse."""
    return asdict(item)


def from_json(value: dict[str, Any]) -> OrderedItem:
    """The packet that was stored; one that retention erased comes back empty. While a new version is put in place both
    run: what only the other one knows is left out, or empty (REL-P33)."""
    if not value:
        return OrderedItem(key="", kind="", name="")
    known = {field.name for field in fields(OrderedItem)}
    return OrderedItem(
        **{
            **{name: each for name, each in value.items() if name in known},
            "codings": tuple(Coding(**coding) for coding in value["codings"]),
            "parameters": tuple(Parameter(**parameter) for parameter in value["parameters"]),
        }
    )


def digest(item: OrderedItem) -> bytes:
    """32 bytes over every field of the packet that says something. Equal bytes: nothing clinical changed, whatever the
    version says. A field that a later version adds, and that is empty, changes no digest: orders under way go on."""
    said = {name: each for name, each in as_json(item).items() if each}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()
