"""The whole way with partners that run: the sandbox over HTTP, real adapters, and only the chart played by a double.

No call leaves while a transaction is open: the transport itself refuses here (design law 5)."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.wire.client import PartnerAdapter
from ehrcommerce.workbench.live import Live
from tests.commerce.shop import CY, Shop

ROWS = {
    Port.PHARMACY: ("pharmacy_http", "pharmacy"),
    Port.DEVICE: ("device_http", "devices"),
    Port.KIT: ("kit_http", "lab"),
    Port.PAYMENT: ("payment_hosted", "pay"),
    Port.MESSAGING: ("messaging_http", "messages"),
    Port.CARRIER: ("carrier_http", "carrier"),
}
build = chosen.adapter_of


class Site:
    """A shop whose partners are the sandbox's."""

    def __init__(self, shop: Shop, live: Live) -> None:
        self.shop, self.live, self.calls = shop, live, 0

    def desk(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Control": self.live.control_token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.live.sandbox_url}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"{}")

    def advance(self, partner: str, reference: object, to: str, **more: Any) -> None:
        self.desk("POST", "/control/advance", {"partner": partner, "reference": str(reference), "to": to, **more})

    def order(self, *kinds: str) -> Order:
        order = self.shop.place(*kinds)
        payment = orders.start_payment(order=order, by=CY, at=timezone.now())
        assert payment.page_url.startswith(settings.SANDBOX_URL)
        self.advance("payment", payment.public_id, "authorized")
        orders.look_at_payment(payment=payment, at=timezone.now())
        self.shop.run()
        return self.shop.fresh(order)


@pytest.fixture
def site(shop: Shop, sandbox: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(shop, sandbox)
    monkeypatch.setattr(chosen, "adapter_of", build)
    for port, (adapter, path) in ROWS.items():
        supplier = Supplier.objects.get(organization=shop.clinic, port=port)
        supplier.adapter, supplier.base_url = adapter, f"{settings.SANDBOX_URL}/{path}"
        supplier.api_key = settings.SANDBOX_PARTNER_API_KEY
        supplier.save()
    send = PartnerAdapter.send

    def watched(self: PartnerAdapter, *arguments: Any, **named: Any) -> Any:
        assert not connection.in_atomic_block, "a call to the outside inside a transaction"
        made.calls += 1
        return send(self, *arguments, **named)

    monkeypatch.setattr(PartnerAdapter, "send", watched)
    made.desk("DELETE", "/control/faults")
    yield made
    made.desk("DELETE", "/control/faults")


def test_three_suppliers_one_capture_and_home(site: Site) -> None:
    order = site.order(PRESCRIPTION, DEVICE, KIT)
    shop = site.shop
    assert order.state == "dispatched"
    for fulfillment, partner in zip(shop.fulfillments(order), ("devices", "lab", "pharmacy"), strict=True):
        site.advance(partner, fulfillment.public_id, "accepted")
        shop.look(fulfillment)
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("accepted", "captured")
    assert shop.payment(order).captured_cents == order.patient_cents == 1480 + 6990 + 4900
    for fulfillment, partner in zip(shop.fulfillments(order), ("devices", "lab", "pharmacy"), strict=True):
        site.advance(partner, fulfillment.public_id, "delivered")
        shop.look(fulfillment)
    shop.run()
    assert shop.fresh(order).state == "delivered"
    assert site.calls > 12
    assert [name for name in shop.told() if "delivered" in name] == ["delivered_all"]


def test_a_partner_that_loses_answers_gets_one_order(site: Site) -> None:  # REL-P2, REL-F5
    site.desk(
        "POST", "/control/faults",
        {"partner": "pharmacy", "path": "/pharmacy/orders$", "kind": "drop_response", "times": 1, "after_accept": True},
    )  # fmt: skip
    order = site.order(PRESCRIPTION)
    shop = site.shop
    assert shop.effect("fulfillment.dispatch").state == "unknown"
    shop.later("fulfillment.dispatch")
    shop.run()
    assert shop.fresh(order).state == "dispatched"
    found = site.desk("GET", f"/control/orders?partner=pharmacy&reference={shop.fulfillment(order).public_id}")[
        "orders"
    ]
    assert len(found) == 1
    assert found[0]["patient"]["birth_date"] == "1980-02-29"


def test_part_of_it_is_out_of_stock(site: Site) -> None:
    shop = site.shop
    order = site.order(PRESCRIPTION, PRESCRIPTION)
    sku = Product.objects.filter(organization=shop.clinic).order_by("pk").values_list("sku", flat=True)[0]
    site.advance("pharmacy", shop.fulfillment(order).public_id, "accepted", accepted_lines={sku: False})
    shop.look(shop.fulfillment(order))
    shop.run()
    assert shop.payment(order).captured_cents == 1480
    assert "partly_accepted" in shop.events(order)


def test_cancelled_while_it_waits_at_the_supplier(site: Site) -> None:
    shop = site.shop
    order = site.order(PRESCRIPTION)
    orders.cancel_order(order=order, reason="patient", by=CY, at=timezone.now())
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
