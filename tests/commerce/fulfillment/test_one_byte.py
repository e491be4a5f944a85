"""Preview = payload: whatever single character changes, in whichever field of whichever hop, between Send and the call,
nothing is dispatched."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from tests.commerce.shop import Shop

KINDS = (PRESCRIPTION, DEVICE, KIT)


def flips(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every way to change one character of one text or number in `value`: where, and the whole with the change."""
    if isinstance(value, dict):
        for name, part in value.items():
            for place, changed in flips(part, f"{where}.{name}"):
                yield place, {**value, name: changed}
    elif isinstance(value, list):
        for number, part in enumerate(value):
            for place, changed in flips(part, f"{where}[{number}]"):
                yield place, [*value[:number], changed, *value[number + 1 :]]
    elif isinstance(value, str):
        for at in {0, len(value) // 2, len(value) - 1} if value else ():
            yield f"{where}:{at}", value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]
        yield f"{where}:+", f"{value}x"
    elif isinstance(value, int):
        yield where, value + 1


def read(order: Order, fulfillment: Fulfillment) -> list[OrderLine]:
    rows = OrderLine.objects.filter(fulfillment_lines__fulfillment=fulfillment)
    return list(rows.select_related("offer_line__product").order_by("pk"))


def is_changed(order: Order, fulfillment: Fulfillment, lines: list[OrderLine]) -> bool:
    return payloads.is_changed(
        order, lines, kind=fulfillment.kind, reference=str(fulfillment.public_id),
        agreed_to=bytes(fulfillment.payload_digest or b""),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_character_anywhere_is_seen(shop: Shop, kind: str) -> None:
    order = shop.authorized(kind)
    fulfillment = shop.fulfillment(order)
    lines = read(order, fulfillment)
    assert not is_changed(order, fulfillment, lines)
    seen = 0
    (line,), packet, address = lines, deepcopy(lines[0].offer_line.packet), deepcopy(order.ship_to)
    for place, changed in flips(packet):
        line.offer_line.packet = changed
        assert is_changed(order, fulfillment, lines), place
        seen += 1
    line.offer_line.packet = packet
    for place, changed in flips(address):
        order.ship_to = changed
        assert is_changed(order, fulfillment, lines), place
        seen += 1
    order.ship_to = address
    for name in ("sku", *(["routing_proof"] if kind == PRESCRIPTION else [])):
        before = getattr(line.offer_line, name)
        for place, changed in flips(before, name):
            setattr(line.offer_line, name, changed)
            assert is_changed(order, fulfillment, lines), place
            seen += 1
        setattr(line.offer_line, name, before)
    line.quantity += 1
    assert is_changed(order, fulfillment, lines)
    line.quantity -= 1
    assert not is_changed(order, fulfillment, lines), "everything was put back"
    assert seen > 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_packet_that_changed_since_send_is_not_dispatched(shop: Shop, kind: str) -> None:
    """Also a field that this hop never gets: the frozen packet is one thing."""
    order = shop.authorized(kind)
    line = OfferLine.objects.get(offer=order.offer)
    line.packet = {**line.packet, "ordered_on": "1999-01-01"}
    line.save()
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed + shop.devices.placed + shop.lab.placed == []
    assert (shop.fulfillment(order).state, shop.fulfillment(order).reason) == ("exception", "payload_changed")
