"""A supplier that answers after our patience ended, and one that does not know our keys: one order where that is in
anybody's power, and where it is not, a person is told of the second. [REL-F7, F15]"""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.shop import Shop

PATIENCE_S = 0.3


class Keeper:
    """A supplier. `honors`: whether a key that comes again gets the first answer. `late`: how many POSTs are answered
    only when `go` is set."""

    def __init__(self, *, honors: bool) -> None:
        self.honors, self.late, self.go = honors, 0, threading.Event()
        self.orders: list[dict[str, Any]] = []
        self.answers: dict[str, bytes] = {}
        self.posts: list[tuple[str, bytes]] = []
        self.ended = threading.Event()
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = parse_qs(urlsplit(self.path).query).get("reference", [""])[0]
                keeper.reply(self, 200, {"orders": [one for one in keeper.orders if one["reference"] == wanted]})

            def do_POST(self) -> None:
                keeper.post(self, self.headers["Idempotency-Key"], self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: object) -> None:
                """Not into the report."""

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def post(self, handler: BaseHTTPRequestHandler, key: str, body: bytes) -> None:
        self.posts.append((key, body))
        slow, self.late = self.late > 0, max(self.late - 1, 0)
        if slow:
            self.go.wait(30)
        if self.honors and key in self.answers:
            return self.reply(handler, 201, json.loads(self.answers[key]))
        wanted = json.loads(body)
        made = {"id": f"S-{len(self.orders) + 1}", "reference": wanted["reference"], "status": "received",
                "lines": wanted["lines"]}  # fmt: skip
        self.orders.append(made)
        self.answers[key] = json.dumps(made).encode()
        self.reply(handler, 201, made)
        self.ended.set()
        return None

    def reply(self, handler: BaseHTTPRequestHandler, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # whoever asked has gone


def partner(shop: Shop, monkeypatch: pytest.MonkeyPatch, keeper: Keeper, capability: str) -> Supplier:
    row = shop.supplier(Port.DEVICE)
    row.adapter, row.base_url = "device_http", keeper.url
    row.save()

    def adapter_of(supplier: Supplier) -> Any:
        if supplier.port != Port.DEVICE:
            return shop.adapter_of(supplier)
        module = import_module("ehrcommerce.suppliers.adapters.device_http")
        made = module.Adapter(supplier, replace(chosen.partner_of(supplier), read_s=PATIENCE_S))
        made.capability = capability
        return made

    monkeypatch.setattr(chosen, "adapter_of", adapter_of)
    return row


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    made = Keeper(honors=True)
    yield made
    made.go.set()
    made.httpd.shutdown()
    made.httpd.server_close()


@pytest.mark.parametrize("capability", [NATIVE_KEY, LOOKUP])
def test_an_answer_after_our_patience_ended_is_had_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, keeper: Keeper, capability: str
) -> None:
    partner(shop, monkeypatch, keeper, capability)
    order, keeper.late = shop.authorized(DEVICE), 1
    shop.run("fulfillment.dispatch", rounds=1)
    assert shop.effect("fulfillment.dispatch").state == "unknown"
    keeper.go.set()
    assert keeper.ended.wait(30)  # it did happen, and nobody heard
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert shop.fresh(order).state == "dispatched"
    assert shop.fulfillment(order).supplier_reference == "S-1"
    assert len(keeper.orders) == 1
    # Asked where it can be asked; else sent again, under the same key and with the same bytes.
    assert len(keeper.posts) == (2 if capability == NATIVE_KEY else 1)
    assert len(set(keeper.posts)) == 1


def doubled(shop: Shop, monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> Any:
    """An order that stands at its supplier twice: our key came again, and they do not know keys."""
    keeper.honors = False
    partner(shop, monkeypatch, keeper, NATIVE_KEY)
    order, keeper.late = shop.authorized(DEVICE), 1
    shop.run("fulfillment.dispatch", rounds=1)
    keeper.go.set()
    assert keeper.ended.wait(30)
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert len(keeper.orders) == 2
    return order


def test_a_second_order_at_a_supplier_is_a_persons_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    order = doubled(shop, monkeypatch, keeper)
    shop.look(shop.fulfillment(order))
    shop.run("fulfillment.doubles")
    found = Effect.objects.get(organization_id=shop.clinic.pk, kind="fulfillment.doubles")
    assert (found.state, found.code) == ("needs_human", "doubled_at_supplier")
    assert any("does not honor idempotency keys" in one.getMessage() for one in caplog.records)
    for _ in range(2):
        shop.look(shop.fulfillment(order))
    shop.run("fulfillment.doubles")
    assert Effect.objects.filter(organization_id=shop.clinic.pk, kind="fulfillment.doubles").count() == 1
    keeper.orders[1]["status"] = "cancelled"
    shop.look(shop.fulfillment(order))
    found.refresh_from_db()
    assert found.state != "needs_human", "the second was cancelled: what the person reads must be true"


def test_such_a_supplier_is_asked_from_then_on_and_not_sent_to_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, keeper: Keeper
) -> None:
    order = doubled(shop, monkeypatch, keeper)
    shop.look(shop.fulfillment(order))
    row = shop.supplier(Port.DEVICE)
    assert chosen.capability_of(row) == LOOKUP
    second, keeper.late = shop.authorized(DEVICE), 1
    keeper.go.clear()
    keeper.ended.clear()
    shop.run("fulfillment.dispatch", rounds=1)
    keeper.go.set()
    assert keeper.ended.wait(30)
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert shop.fresh(second).state == "dispatched"
    assert len([one for one in keeper.orders if one["reference"] == str(shop.fulfillment(second).public_id)]) == 1
