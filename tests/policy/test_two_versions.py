"""While a new version is put in place, both run on the same rows: neither trips over what the other wrote, and no order
under way looks changed. [REL-F65]"""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from ehrcommerce.commerce.orders import pricing
from ehrcommerce.policy.digests import as_json, digest, from_json
from ehrcommerce.policy.packets import Coding, OrderedItem, Parameter

ITEM = OrderedItem(
    key="k", kind="prescription", name="metformin", codings=(Coding("urn:x", "1"),), dose="0.50 g",
    parameters=(Parameter("size", "medium"),),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LaterItem(OrderedItem):
    """The packet of a version to come."""

    strength: str = ""


def later(item: OrderedItem, **more: Any) -> LaterItem:
    return LaterItem(**{name: getattr(item, name) for name in OrderedItem.__slots__}, **more)


def test_a_packet_of_the_version_before_is_read_by_the_next_and_the_other_way_round() -> None:
    assert from_json(as_json(ITEM)) == ITEM
    assert from_json(as_json(later(ITEM, strength="500 mg"))) == ITEM
    older = {name: value for name, value in as_json(ITEM).items() if name not in ("substitution", "repeats")}
    assert from_json(older) == ITEM


def test_a_field_that_is_new_and_empty_changes_no_digest_and_a_value_does() -> None:
    assert digest(later(ITEM)) == digest(ITEM)
    assert digest(later(ITEM, strength="500 mg")) != digest(ITEM)


@pytest.mark.parametrize("change", [{"dose": "0.5 g"}, {"dose": ""}, {"form": "tablet"}, {"parameters": ()}])
def test_every_value_of_a_packet_is_in_its_digest(change: dict[str, Any]) -> None:
    assert digest(replace(ITEM, **change)) != digest(ITEM)


def test_a_quote_of_another_version_is_read() -> None:
    line = pricing.QuoteLine("line", "sku", 1, 100, 0, 100, pricing.NOT_ASKED)
    quote = pricing.Quote((line,), False, "", "v")
    written = pricing.as_json(quote)
    later_lines = [{**one, "of_tomorrow": 1} for one in written["lines"]]
    assert pricing.from_json({**written, "lines": later_lines, "of_tomorrow": 1}) == quote
