"""The schema of the clinical packet, derived from the table: asked of each packet as it leaves the door."""

from dataclasses import fields

from ehrcommerce.policy import derive
from ehrcommerce.policy.leaves import MOST_CHARACTERS, leaves
from ehrcommerce.policy.packets import OrderedItem


class UngrantedField(Exception):
    """A packet holds a field that no row of the table fills for its kind, or more words than a field may have. Nothing
    of it goes any further. Add the row (ehrcommerce/policy/table.py), or take the value out of disclosure/extract.py."""

    def __init__(self, kind: str, names: list[str]) -> None:
        super().__init__(f"{kind}: {', '.join(names)}")


def require(item: OrderedItem) -> OrderedItem:
    """The same packet. Raises UngrantedField; the names of fields are told, never what stands in them."""
    granted = derive.packet_fields(item.kind)
    wrong = [
        one.name for one in fields(item)
        if (value := getattr(item, one.name)) and (one.name not in granted or _is_too_much(value))
    ]  # fmt: skip
    if wrong:
        raise UngrantedField(item.kind, wrong)
    return item


def _is_too_much(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_is_too_much(getattr(part, one.name)) for part in value for one in fields(part))
    return any(not isinstance(leaf, str) or len(leaf) > MOST_CHARACTERS for _, leaf in leaves(value))
