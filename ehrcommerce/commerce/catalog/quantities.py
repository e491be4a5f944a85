"""Whether what was ordered is what the price buys. A product is sold for the amount in the chart or not at all: 30
tablets are not the product's 180, three kits are three, and two boxes are two. Pure, no database."""

import re
from decimal import Decimal, InvalidOperation

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.policy.packets import KIT, PRESCRIPTION, OrderedItem

MOST_PIECES = 10
# The parameters of a DeviceRequest that say how many: R4 gives it no quantity of its own.
AMOUNTS = frozenset({"quantity", "count", "number", "amount"})
_LEADING = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\W\d_]*)")
# What a device's order says must be a number and a unit to the end: of "1,000", "1/2" or "2-3" no part is the amount.
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*((?:[^\W\d_]|[{\[])\D*|1)?")
# One word for each unit that charts write in several ways; a word that is not here fits itself alone.
_UNITS = {
    "tablet": "tablet", "tab": "tablet", "tbl": "tablet", "capsule": "capsule", "cap": "capsule", "inhaler": "inhaler",
    "patch": "patch", "patche": "patch", "ml": "ml", "milliliter": "ml", "l": "l", "liter": "l", "g": "g", "gram": "g",
    "mg": "mg", "milligram": "mg", "vial": "vial", "pen": "pen", "bottle": "bottle", "box": "box", "boxe": "box",
    "tube": "tube", "dose": "dose", "puff": "puff", "each": "each", "ea": "each", "unit": "each", "1": "each", "piece": "each",
}  # fmt: skip
# UCUM has no unit for things that are counted: {tablet} and {each} are both 1.
PIECE = "each"
COUNTED = frozenset({"tablet", "capsule", "inhaler", "patch", "vial", "pen", "bottle", "box", "tube", "each"})


def how_many(item: OrderedItem, product: Product) -> int | None:
    """How often the product is sold for this order; None where the order's amount is not the product's."""
    if item.kind == KIT:
        return _kits(item.quantity)
    if item.kind == PRESCRIPTION:
        return 1 if _same_amount(item, product.quantity_basis) else None
    said = [parameter.value for parameter in item.parameters if parameter.code.casefold() in AMOUNTS]
    found = {_times(value, product.quantity_basis) for value in said} or {1}
    return found.pop() if len(found) == 1 else None


def _kits(quantity: str) -> int | None:
    """A whole number from 1 to 10; one where the order names none."""
    return _whole(_number(quantity)) if quantity.strip() else 1


def _times(said: str, basis: str) -> int | None:
    """How often the basis makes what a device's order says: "2 box" is two of "1 box of 50", "100 strips" two of "50
    strips". A number that names no unit counts pieces, and is held where a piece could be the box or what is in it."""
    ordered, sold = _AMOUNT.fullmatch(said), _LEADING.match(basis or f"1 {PIECE}")
    if ordered is None or sold is None or not Decimal(sold[1]):
        return None
    unit = _unit(ordered[2] or "") or PIECE
    pieces = unit == PIECE and Decimal(sold[1]) == 1 and not re.search(r"\d", basis[sold.end() :])
    return _whole(Decimal(ordered[1]) / Decimal(sold[1])) if unit == _unit(sold[2]) or pieces else None


def _whole(number: Decimal | None) -> int | None:
    return int(number) if number is not None and number == number.to_integral() and 1 <= number <= MOST_PIECES else None


def _same_amount(item: OrderedItem, basis: str) -> bool:
    """Equal numbers of the same unit. Without any number on both sides there is nothing to compare. A number whose unit is
    missing, or is a word that nobody knows, is held: what it counts is not ours to guess (REL-F58)."""
    leading = _LEADING.match(basis)
    if leading is None or not item.quantity.strip():
        return leading is None and not item.quantity.strip()
    if _number(item.quantity) != Decimal(leading[1]):
        return False
    ordered, sold = _unit(item.quantity_unit), _unit(leading[2])
    return ordered == sold or (ordered == PIECE and sold in COUNTED)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _unit(text: str) -> str:
    word = text.strip().strip("{}[]").casefold().split(" ")[0].split("(")[0]
    return _UNITS.get(word) or _UNITS.get(word.rstrip("s").rstrip(".")) or word
