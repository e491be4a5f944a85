"""A consent that is taken back while the order is on its way: not sent, or sent and told. Never silent."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.fulfillment.services import withdraw_consent
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import receipts
from ehrcommerce.disclosure.models import DisclosureState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers.models import Port
from ehrcommerce.vault import walls
from tests.commerce.shop import CY, Shop

TOLD = (DisclosureState.SENT, DisclosureState.ACKNOWLEDGED, DisclosureState.RECALLED, DisclosureState.RECALL_REFUSED)


def take_back(shop: Shop, order: Order) -> bool:
    return withdraw_consent(order=order, supplier=shop.supplier(Port.DEVICE), by=CY, at=timezone.now())


def elsewhere(shop: Shop, act: Callable[[], object]) -> threading.Thread:
    """In a thread and a connection of its own, as another request would."""

    def work() -> None:
        try:
            with walls.organization(shop.clinic.pk):
                act()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def never_silent(shop: Shop, order: Order) -> str:
    """What the patient reads is what the supplier has. Returns which of the two it was."""
    shop.run()
    order = shop.fresh(order)
    (receipt,) = receipts.of(shop.clinic.pk, str(order.offer.public_id))
    arrived = bool(shop.devices.placed)
    assert (receipt.state in TOLD) is arrived
    assert (receipt.sent_at is not None) is arrived
    sending = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="fulfillment.sending").count()
    assert bool(sending) is arrived
    assert order.state == "cancelled"
    if arrived:
        assert {one.state for one in shop.devices.orders.values()} == {"cancelled"}
        assert receipt.state == DisclosureState.RECALLED
    assert order.money == "voided"
    return "sent and told" if arrived else "not sent"


def test_before_the_chart_was_read_nothing_is_sent(shop: Shop) -> None:
    order = shop.authorized("device")
    assert take_back(shop, order)
    assert never_silent(shop, order) == "not sent"


def test_while_the_chart_is_read_nothing_is_sent(shop: Shop) -> None:
    order = shop.authorized("device")
    shop.chart.while_reading = lambda: take_back(shop, order)
    shop.run("fulfillment.dispatch")
    assert never_silent(shop, order) == "not sent"


def test_while_it_is_on_the_wire_it_is_told_and_asked_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shop.authorized("device")
    place = shop.devices.place

    def meanwhile(body: bytes, **more: Any) -> Any:
        outcome = place(body, **more)
        assert take_back(shop, order)
        return outcome

    monkeypatch.setattr(shop.devices, "place", meanwhile)
    shop.run("fulfillment.dispatch")
    assert never_silent(shop, order) == "sent and told"


@pytest.mark.parametrize("head_start", ["dispatch", "withdrawal"])
def test_at_the_same_moment_it_is_one_or_the_other(shop: Shop, head_start: str) -> None:
    order = shop.authorized("device")
    effect = shop.effect("fulfillment.dispatch")
    together = threading.Barrier(2, timeout=30)
    shop.chart.while_reading = together.wait  # both stand before the last line

    def withdrawal() -> None:
        together.wait()
        take_back(shop, order)

    acts: list[Callable[[], object]] = [lambda: outbox.run(str(effect.public_id)), withdrawal]
    for thread in [elsewhere(shop, act) for act in (acts if head_start == "dispatch" else acts[::-1])]:
        thread.join(60)
    shop.chart.while_reading = None
    assert never_silent(shop, order) in ("not sent", "sent and told")
