"""The same adapter and Stripe's own client against `localstripe`, another make of the API, run as a process. It has no
Checkout Sessions and keeps no idempotency keys: those stand before it here (fake_stripe), and hand payments on to it.
It is asked for what it does faithfully: holds, captures, cancels, refunds, errors, and signing webhooks."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from ehrcommerce.outbox.outcomes import Refused
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.callbacks import CallbackRefused
from ehrcommerce.suppliers.models import Supplier
from tests.suppliers.fake_stripe import Fake, Problem, running
from tests.suppliers.test_stripe import adapter, opened


class Peer:
    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Authorization": "Bearer sk_test_1"}
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
                found: dict[str, Any] = json.loads(text) if text.startswith(b"{") else {}
                return found
        except HTTPError as error:
            with error:
                problem = Problem(error.code, "")
                problem.body = json.loads(error.read())
            raise problem from None

    def form(self, path: str, **values: Any) -> dict[str, Any]:
        return self.call("POST", path, urlencode(values).encode())


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-W", "ignore", "-m", "localstripe", "--from-scratch", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        made = Peer(f"http://127.0.0.1:{port}")
        for _ in range(300):
            try:
                made.call("GET", "/v1/balance")
                break
            except (OSError, Problem):
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(20)


class Front(Fake):
    """Sessions of the fake; payments and refunds of the peer."""

    peer: Peer

    def work(self, handler: BaseHTTPRequestHandler, path: str, body: bytes) -> dict[str, Any]:
        if path.startswith(("/v1/payment_intents", "/v1/refunds")):
            return self.peer.call(handler.command, path, body or None)
        return super().work(handler, path, body)

    def pay(self, session_id: str, status: str = "requires_capture") -> None:
        card = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": 1, "card[exp_year]": 2099,
                "card[cvc]": "123"}  # fmt: skip
        method = self.peer.form("/v1/payment_methods", **card)["id"]
        session = self.sessions[session_id]
        intent = self.peer.form(
            "/v1/payment_intents", amount=session["amount_total"], currency="usd", payment_method=method,
            capture_method="manual", confirm="true", **{"metadata[reference]": session["client_reference_id"]},
        )  # fmt: skip
        session |= {"payment_intent": intent["id"], "status": "complete"}

    def _shown(self, session: dict[str, Any]) -> dict[str, Any]:
        if not (name := session["payment_intent"]):
            return super()._shown(session)
        intent = self.peer.call("GET", f"/v1/payment_intents/{name}?expand[]=latest_charge")
        charge = intent["latest_charge"]
        if not isinstance(charge, dict):
            charge = self.peer.call("GET", f"/v1/charges/{charge}")
        # The two that the peer does not tell, and that their documentation defines by what it does tell.
        intent["amount_received"] = intent["amount"] if intent["status"] == "succeeded" else 0
        intent["latest_charge"] = {**charge, "disputed": False}
        return {**super()._shown(session), "payment_intent": intent}


@pytest.fixture
def front(peer: Peer) -> Iterator[Fake]:
    with running(Front) as made:
        made.peer = peer  # type: ignore[attr-defined]
        yield made


def test_hold_capture_and_refunds_by_another_make(front: Fake) -> None:
    made = adapter(front)
    session = opened(made)
    front.pay(session.reference)
    assert made.find(session.facts["status"].reference).state == "authorized"
    assert made.capture(session.reference, 1480, idempotency_key="c").facts["status"].state == "captured"
    some = made.refund(session.reference, 480, idempotency_key="r").facts["status"]
    assert (some.state, some.refunded_cents) == ("captured", 480)
    assert made.refund(session.reference, 1001, idempotency_key="r2") == Refused("amount_too_large")
    assert made.refund(session.reference, 1000, idempotency_key="r3").facts["status"].state == "refunded"


def test_a_hold_is_cancelled_by_another_make(front: Fake) -> None:
    made = adapter(front)
    session = opened(made)
    front.pay(session.reference)
    assert made.void(session.reference, idempotency_key="v").facts["status"].state == "voided"
    assert made.capture(session.reference, 1480, idempotency_key="c") == Refused("wrong_state")


def test_errors_of_another_make_become_ours(peer: Peer) -> None:
    made = chosen.adapter_of(Supplier(adapter="payment_stripe", port="payment", base_url=peer.url, api_key="sk_test_1"))
    assert made._act(
        lambda key: made._client().v1.payment_intents.capture("pi_none", {}, {"idempotency_key": key}),
        made._done, "k", again=lambda: None,
    ) == Refused("refused")  # fmt: skip


def test_webhooks_signed_by_another_make_are_read(peer: Peer) -> None:
    got: list[tuple[bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.timeout = 20
    try:
        peer.form("/_config/webhooks/one", url=f"http://127.0.0.1:{server.server_address[1]}/", secret="whsec_new")
        peer.form("/v1/customers", description=str(uuid4()))
        server.handle_request()
    finally:
        server.server_close()
    body, signature = got[0]
    supplier = Supplier(adapter="payment_stripe", port="payment", base_url=peer.url, callback_secret="whsec_new")
    made, at = chosen.adapter_of(supplier), datetime.now(UTC)
    assert made.verify_callback(body, {"Stripe-Signature": signature}, at).body["type"] == "customer.created"
    with pytest.raises(CallbackRefused):
        made.verify_callback(body + b"\n", {"Stripe-Signature": signature}, at)
