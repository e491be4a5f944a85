"""Reading what a caller sent, field by field. A partner that guesses what was meant ships to the wrong door."""

import re
from typing import Any

from .api import Refused

SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{2,39}")
REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
STATE = re.compile(r"[A-Z]{2}")
POSTAL_CODE = re.compile(r"\d{5}(-\d{4})?")
NO_SUCH_POSTAL_CODE = "00000"


def only_keys(body: dict[str, Any], allowed: set[str], *, status: int = 422) -> None:
    """Refuse a body with a key that the contract does not name: what is not expected is not stored."""
    unknown = sorted(set(body) - allowed)
    if unknown:
        raise Refused(status, "unknown_key", detail=", ".join(unknown)[:200])


def text(body: dict[str, Any], name: str, *, longest: int = 500, status: int = 422) -> str:
    """A string that must be there and must say something."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or "\0" in value:
        raise Refused(status, "invalid", detail=f"{name} must be a text of 1 to {longest} characters")
    return value


def optional_text(body: dict[str, Any], name: str, *, longest: int = 500, status: int = 422) -> str:
    """A string, or nothing."""
    return "" if body.get(name) in (None, "") else text(body, name, longest=longest, status=status)


def matching(body: dict[str, Any], name: str, shape: re.Pattern[str], *, status: int = 422) -> str:
    """A string of this shape."""
    value = text(body, name, status=status)
    if not shape.fullmatch(value):
        raise Refused(status, "invalid", detail=f"{name} does not have the expected form")
    return value


def whole_number(
    body: dict[str, Any], name: str, *, least: int, most: int, status: int = 422, error: str = "invalid"
) -> int:
    """An integer within bounds; true and false are not numbers."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(status, error, detail=f"{name} must be a whole number from {least} to {most}")
    return value


def optional_object(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    """An object, or nothing."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise Refused(422, "invalid", detail=f"{name} must be an object")
    return value


def objects(body: dict[str, Any], name: str, *, most: int) -> list[dict[str, Any]]:
    """A list of 1 to `most` objects."""
    value = body.get(name)
    if not isinstance(value, list) or not 1 <= len(value) <= most or not all(isinstance(one, dict) for one in value):
        raise Refused(422, "invalid", detail=f"{name} must be a list of 1 to {most} objects")
    return value


def references(body: dict[str, Any]) -> list[str]:
    """A list of 1 to 1,000 references, and nothing beside it."""
    only_keys(body, {"references"})
    value = body.get("references")
    if not isinstance(value, list) or not 1 <= len(value) <= 1_000:
        raise Refused(422, "invalid", detail="references must be a list of 1 to 1000 texts")
    return [matching({"reference": one}, "reference", REFERENCE) for one in value]


def address(body: dict[str, Any]) -> dict[str, str]:
    """Where to ship to, inside the United States. Whatever is wrong with it, the error is `address`."""
    try:
        return _address(body)
    except Refused as fault:
        raise Refused(fault.status, "address", detail=fault.body["detail"]) from None


def _address(body: dict[str, Any]) -> dict[str, str]:
    given = optional_object(body, "ship_to") or {}
    only_keys(given, {"name", "line", "city", "state", "postal_code", "country", "phone"})
    if given.get("country") != "US":
        raise Refused(422, "address", detail="country must be US")
    read = {name: text(given, name, longest=200) for name in ("name", "line", "city")}
    read["state"] = matching(given, "state", STATE)
    read["postal_code"] = matching(given, "postal_code", POSTAL_CODE)
    if read["postal_code"].startswith(NO_SUCH_POSTAL_CODE):
        raise Refused(422, "address", detail="there is no such postal code")
    return {**read, "country": "US", "phone": optional_text(given, "phone", longest=40)}


def order_lines(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What is ordered. `accepted` is unknown (null) until the partner accepts the order."""
    return [_order_line(line) for line in objects(body, "lines", most=50)]


def _order_line(line: dict[str, Any]) -> dict[str, Any]:
    only_keys(line, {"sku", "quantity", "description"})
    sku = line.get("sku")
    if not isinstance(sku, str) or not SKU.fullmatch(sku) or sku.startswith("BAD-"):
        raise Refused(422, "unknown_sku", detail="a line names a sku that is not sold here")
    quantity = whole_number(line, "quantity", least=1, most=1000, error="quantity")
    return {"sku": sku, "quantity": quantity, "description": optional_text(line, "description"), "accepted": None}
