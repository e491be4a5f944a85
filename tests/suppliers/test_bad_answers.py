"""Whole orders at a partner that answers badly: each ends in a named state, nothing is lost, and the partner's journal
holds one order. The real adapter over HTTP; the partner is a server on loopback that does what a row says."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from ehrcommerce.commerce.fulfillment.views import supplier_callback
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.adapters import carrier_json
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.shop import Shop
from tests.suppliers.test_callbacks import about, post

Answer = tuple[int, bytes, dict[str, str]]


class BadPartner:
    """Keeps one order for each reference. `next`: what goes wrong with the next POSTs, after or instead of keeping."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.journal: list[tuple[str, bytes]] = []
        self.next: list[str] = []
        self.while_posting: Callable[[str], object] = lambda reference: None
        partner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                reference = parse_qs(urlsplit(self.path).query).get("reference", [""])[0]
                found = [partner.orders[reference]] if reference in partner.orders else []
                partner.reply(self, 200, json.dumps({"orders": found}).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                partner.post(self, self.headers["Idempotency-Key"], body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def post(self, handler: BaseHTTPRequestHandler, key: str, body: bytes) -> None:
        wrong = self.next.pop(0) if self.next else ""
        if wrong in ("422", "429", "500"):
            more = {"Retry-After": "1000000000000"} if wrong == "429" else {}
            return self.reply(handler, int(wrong), b'{"error": "Cy Rivera is not known"}', **more)
        wanted = json.loads(body)
        reference = wanted["reference"]
        if reference in self.orders:
            return self.reply(handler, 409, b'{"error": "duplicate_reference"}')
        self.journal.append((key, body))
        lines = [{"sku": "OTHER", "quantity": 9}] if wrong == "other lines" else wanted["lines"]
        self.orders[reference] = {
            "id": f"S-{len(self.orders) + 1}",
            "reference": reference,
            "status": "received",
            "lines": lines,
        }
        self.while_posting(reference)
        whole = json.dumps(self.orders[reference]).encode()
        if wrong == "drop":
            handler.close_connection = True
            handler.connection.close()
            return None
        if wrong == "cut":
            return self.reply(handler, 201, whole[: len(whole) // 2])
        if wrong == "html":
            return self.reply(handler, 200, b"<html><h1>Thank you, Cy</h1></html>")
        if wrong == "409 though ours":
            return self.reply(handler, 409, b'{"error": "duplicate_reference"}')
        if wrong == "other lines":
            return self.reply(handler, 409, b"{}")
        return self.reply(handler, 201, whole)

    def reply(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def partner(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadPartner]:
    made = BadPartner()
    row = shop.supplier(Port.DEVICE)
    row.adapter, row.base_url = "device_http", made.url
    row.save()

    def adapter_of(supplier: Supplier) -> Any:
        if supplier.port != Port.DEVICE:
            return shop.adapter_of(supplier)
        module = import_module(f"ehrcommerce.suppliers.adapters.{supplier.adapter}")
        return module.Adapter(supplier, chosen.partner_of(supplier))

    monkeypatch.setattr(chosen, "adapter_of", adapter_of)
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()


def to_the_end(shop: Shop, order: Order) -> str:
    """As long as something is open, time passes."""
    kinds = ("fulfillment.dispatch", "fulfillment.look")
    for _ in range(12):
        shop.run("fulfillment.dispatch")
        shop.run("fulfillment.look")
        waiting = Effect.objects.filter(organization_id=shop.clinic.pk, kind__in=kinds, state__in=OPEN)
        if not waiting.exists():
            break
        shop.later("fulfillment.dispatch", seconds=3600)
    return str(shop.fulfillment(order).state)


@pytest.mark.parametrize(
    ("wrong", "state", "reason"),
    [
        (["drop"], "dispatched", ""),
        (["cut"], "dispatched", ""),
        (["html"], "dispatched", ""),
        (["409 though ours"], "dispatched", ""),
        (["429", "429"], "dispatched", ""),
        (["500", "500", "drop"], "dispatched", ""),
        (["422"], "refused", "refused"),
        (["other lines"], "exception", "conflict"),
    ],
)
def test_each_bad_answer_ends_in_a_named_state_and_one_order(
    shop: Shop, partner: BadPartner, wrong: list[str], state: str, reason: str
) -> None:
    partner.next = list(wrong)
    order = shop.authorized(DEVICE)
    assert to_the_end(shop, order) == state
    assert shop.fulfillment(order).reason == reason
    assert len(partner.journal) == (0 if state == "refused" else 1)
    assert "Cy" not in repr(Effect.objects.filter(organization_id=shop.clinic.pk).values_list("code", flat=True))


def test_an_absurd_wait_is_capped_at_a_quarter_of_an_hour(shop: Shop, partner: BadPartner) -> None:  # REL-F31
    partner.next = ["429"]
    shop.authorized(DEVICE)
    shop.run("fulfillment.dispatch", rounds=1)
    effect = shop.effect("fulfillment.dispatch")
    assert effect.next_run_at is not None
    assert 800 < (effect.next_run_at - timezone.now()).total_seconds() <= 900


def test_a_callback_before_our_own_post_returned_is_merged(shop: Shop, partner: BadPartner) -> None:  # REL-F16
    order = shop.authorized(DEVICE)
    row, answered = shop.supplier(Port.DEVICE), []

    def accepted(reference: str) -> None:
        partner.orders[reference]["status"] = "accepted"

    partner.while_posting = accepted
    partner.next = ["drop"]
    shop.run("fulfillment.dispatch", rounds=1)
    answered.append(post(supplier_callback, row, about(shop.fulfillment(order).public_id)).status_code)
    assert to_the_end(shop, order) == "accepted"
    assert (answered, len(partner.journal)) == ([200], 1)
    assert shop.events(order).count("accepted") == 1


def test_words_that_go_backwards_or_are_unknown(shop: Shop, partner: BadPartner) -> None:  # REL-F17, F18
    order = shop.authorized(DEVICE)
    assert to_the_end(shop, order) == "dispatched"
    fulfillment = shop.fulfillment(order)
    reached = []
    for word in ("accepted", "lost_at_sea", "received", "shipped", "accepted", "delivered", "shipped"):
        partner.orders[str(fulfillment.public_id)]["status"] = word
        shop.look(fulfillment)
        reached.append(shop.fulfillment(order).state)
    assert reached == ["accepted", "accepted", "accepted", "shipped", "shipped", "delivered", "delivered"]
    assert shop.events(order).count("unknown_status") == 1


@pytest.mark.parametrize("how", [{"secret": "forged"}, {"age_s": 8 * 86_400}, {"event": "seen before"}])
def test_forged_and_replayed_callbacks_move_nothing(shop: Shop, partner: BadPartner, how: dict[str, Any]) -> None:
    order = shop.authorized(DEVICE)
    to_the_end(shop, order)
    row, body = shop.supplier(Port.DEVICE), about(shop.fulfillment(order).public_id)
    if "event" in how:
        post(supplier_callback, row, body, **how)
        shop.run("fulfillment.look")
    before = Effect.objects.filter(organization_id=shop.clinic.pk).count()
    post(supplier_callback, row, body, **how)
    assert Effect.objects.filter(organization_id=shop.clinic.pk).count() == before


def test_another_suppliers_order_is_nobodys(shop: Shop, partner: BadPartner) -> None:  # SEC-B10
    theirs = shop.dispatched(PRESCRIPTION)
    before = Effect.objects.filter(organization_id=shop.clinic.pk).count()
    assert (
        post(supplier_callback, shop.supplier(Port.DEVICE), about(shop.fulfillment(theirs).public_id)).status_code
        == 200
    )
    assert Effect.objects.filter(organization_id=shop.clinic.pk).count() == before


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ({"shipments": [{"status": "moving"}]}, "shipped"),
        ({"shipments": [{"status": "handed_over"}]}, "delivered"),
        ({"shipments": [{"status": "elsewhere"}]}, "unknown"),
        ({"shipments": [{"status": 7}]}, "unknown"),
        ({"shipments": []}, ""),
        (None, ""),
    ],
)
def test_a_carrier_whose_words_its_row_tells(monkeypatch: pytest.MonkeyPatch, found: Any, state: str) -> None:
    asked: list[str] = []
    words = {"moving": "shipped", "handed_over": "delivered", "elsewhere": "somewhere"}
    options = {"path": "v1/shipments?n={number}", "status": "shipments.0.status", "words": words}
    supplier = Supplier(adapter="carrier_json", port="carrier", base_url="https://carrier.example", options=options)
    made = carrier_json.Adapter(supplier, chosen.partner_of(supplier))

    def read(path: str) -> Any:
        asked.append(path)
        return found

    monkeypatch.setattr(made, "read", read)
    assert made.track("T 1/2") == state
    assert asked == ["v1/shipments?n=T%201%2F2"]
