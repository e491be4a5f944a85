"""Stripe as its reference documents it (API v1): Checkout Sessions, payments, refunds, events, keys that keep the first
answer for a day. In shapes recorded from that reference; what of it `localstripe` does as well, test_stripe_peer.py
asks there. Journals each request; fails on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

Fault = Callable[["Fake", BaseHTTPRequestHandler], bool]


class Problem(Exception):
    def __init__(self, status: int, code: str, kind: str = "invalid_request_error") -> None:
        super().__init__(code)
        self.status, self.body = (
            status,
            {"error": {"type": kind, "code": code, "message": "Cy Rivera, words of theirs"}},
        )


class Fake:
    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.kept: dict[str, tuple[bytes, int, bytes]] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.faults: list[tuple[str, str]] = []  # (what goes wrong, in which path)
        self.numbers = count(1)
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"

    # -- the patient and the bank ---------------------------------------------------------------------------------
    def pay(self, session_id: str, status: str = "requires_capture") -> None:
        session = self.sessions[session_id]
        name, charge = f"pi_{next(self.numbers)}", f"ch_{next(self.numbers)}"
        self.intents[name] = {
            "id": name, "object": "payment_intent", "status": status, "amount": session["amount_total"],
            "amount_received": session["amount_total"] if status == "succeeded" else 0, "currency": "usd",
            "cancellation_reason": None, "metadata": session["_intent_metadata"],
            "latest_charge": {
                "id": charge, "object": "charge", "amount_refunded": 0, "disputed": False,
                "payment_method_details": {"card": {"capture_before": 1_800_000_000}, "type": "card"},
            },
        }  # fmt: skip
        session |= {"payment_intent": name, "status": "complete", "payment_status": "unpaid", "url": None}
        self.event("checkout.session.completed", session)

    def event(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        made = {"id": f"evt_{next(self.numbers)}", "object": "event", "type": kind, "created": int(time.time()),
                "data": {"object": {key: value for key, value in thing.items() if key[0] != "_"}}}  # fmt: skip
        self.events.append(made)
        return made

    def writes(self, end: str) -> list[tuple[str, bytes]]:
        """(idempotency key, body) of each POST whose path ends so."""
        return [
            (headers.get("idempotency-key", ""), body)
            for method, path, headers, body in self.seen
            if method == "POST" and urlsplit(path).path.endswith(end)
        ]

    # -- HTTP -----------------------------------------------------------------------------------------------------
    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                fake.seen.append((self.command, self.path, headers, body))
                fake.answer(self, headers, body)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes) -> None:
        path = urlsplit(handler.path).path
        fault = next((one for one in self.faults if path.endswith(one[1])), None)
        if fault:
            self.faults.remove(fault)
        what, key = fault[0] if fault else "", headers.get("idempotency-key", "")
        if handler.command == "POST" and key in self.kept:
            asked, status, answer = self.kept[key]
            if asked != body:
                reused = Problem(400, "idempotency_key_in_use", "idempotency_error")
                return self.reply(handler, 400, json.dumps(reused.body).encode())
            return self.reply(handler, status, answer, **{"Idempotent-Replayed": "true"})
        if what in ("busy", "429"):
            return self.reply(
                handler, 429 if what == "429" else 409, b'{"error":{"type":"x"}}', **{"Retry-After": "86400"}
            )
        if what in ("500", "500 after"):
            if what == "500 after":
                self.work(handler, path, body)
            answer = b'{"error":{"type":"api_error","message":"Cy Rivera"}}'
            self.kept[key] = (body, 500, answer)
            return self.reply(handler, 500, answer)
        try:
            status, answer = 200, json.dumps(self.work(handler, path, body)).encode()
        except Problem as problem:
            status, answer = problem.status, json.dumps(problem.body).encode()
        if handler.command == "POST" and key:
            self.kept[key] = (body, status, answer)
        if what == "drop":
            handler.close_connection = True
            handler.connection.close()
            return None
        if what == "html":
            answer = b"<html>all is well</html>"
        if what == "truncate":
            return self.reply(handler, 200, answer[: len(answer) // 2])
        return self.reply(handler, status, answer)

    def reply(self, handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def work(self, handler: BaseHTTPRequestHandler, path: str, body: bytes) -> dict[str, Any]:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        parts = path.removeprefix("/v1/").split("/")
        if not handler.headers.get("Authorization", "").startswith("Bearer sk_"):
            raise Problem(401, "api_key_missing")
        match (handler.command, *parts):
            case ("POST", "checkout", "sessions"):
                return self._open(form)
            case ("GET", "checkout", "sessions"):
                rows = [one for one in self.sessions.values() if _within(one, query)]
                wanted = query.get("payment_intent")
                return self._page([one for one in rows if not wanted or one["payment_intent"] == wanted], query)
            case ("GET", "checkout", "sessions", name):
                return self._shown(self._have(self.sessions, name))
            case ("POST", "checkout", "sessions", name, "expire"):
                self._have(self.sessions, name)["status"] = "expired"
                return self._shown(self.sessions[name])
            case ("GET", "payment_intents", name):
                return self._have(self.intents, name)
            case ("POST", "payment_intents", name, verb):
                return self._move(self._have(self.intents, name), verb, form)
            case ("POST", "refunds"):
                return self._refund(form)
            case ("GET", "events"):
                return self._page([one for one in self.events if _within(one, query)], query)
        raise Problem(404, "resource_missing")

    def _have(self, rows: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in rows:
            raise Problem(404, "resource_missing")
        return rows[name]

    def _open(self, form: dict[str, str]) -> dict[str, Any]:
        name = f"cs_test_{next(self.numbers)}"
        self.sessions[name] = {
            "id": name, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
            "client_reference_id": form["client_reference_id"], "created": int(time.time()), "payment_intent": None,
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"], "url": f"{self.url}/pay/{name}",
            "metadata": {"reference": form["metadata[reference]"]},
            "_intent_metadata": {"reference": form["payment_intent_data[metadata][reference]"]},
        }  # fmt: skip
        return self._shown(self.sessions[name])

    def _shown(self, session: dict[str, Any]) -> dict[str, Any]:
        """As with expand[]=payment_intent.latest_charge."""
        return {key: value for key, value in session.items() if key[0] != "_"} | {
            "payment_intent": self.intents.get(session["payment_intent"] or "")
        }

    def _page(self, rows: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        rows = sorted(rows, key=lambda one: str(one["id"]))
        after = query.get("starting_after")
        rows = [one for one in rows if not after or str(one["id"]) > after]
        size = min(int(query.get("limit", "10")), 2)  # small, so that there are pages
        shown = [{key: value for key, value in one.items() if key[0] != "_"} for one in rows[:size]]
        return {"object": "list", "data": shown, "has_more": len(rows) > size, "url": "/v1/x"}

    def _move(self, intent: dict[str, Any], verb: str, form: dict[str, str]) -> dict[str, Any]:
        if intent["status"] != "requires_capture":
            raise Problem(400, "payment_intent_unexpected_state")
        amount = int(form.get("amount_to_capture", intent["amount"]))
        if amount > intent["amount"]:
            raise Problem(400, "amount_too_large")
        if verb == "capture":
            intent |= {"status": "succeeded", "amount_received": amount}
        else:
            intent |= {"status": "canceled", "cancellation_reason": None}
        self.event(f"payment_intent.{'succeeded' if verb == 'capture' else 'canceled'}", intent)
        return intent

    def _refund(self, form: dict[str, str]) -> dict[str, Any]:
        intent = self._have(self.intents, form["payment_intent"])
        charge = intent["latest_charge"]
        if charge["amount_refunded"] + int(form["amount"]) > intent["amount_received"]:
            raise Problem(400, "charge_already_refunded")
        charge["amount_refunded"] += int(form["amount"])
        self.event("charge.refunded", {**charge, "payment_intent": intent["id"], "metadata": intent["metadata"]})
        return {
            "id": f"re_{next(self.numbers)}",
            "object": "refund",
            "status": "succeeded",
            "amount": int(form["amount"]),
        }


def _within(row: dict[str, Any], query: dict[str, str]) -> bool:
    after, before = int(query.get("created[gte]", 0)), int(query.get("created[lt]", 10**12))
    return bool(after <= row["created"] < before)


@contextmanager
def running(make: type[Fake] = Fake) -> Iterator[Fake]:
    fake = make()
    threading.Thread(target=fake.httpd.serve_forever, daemon=True).start()
    try:
        yield fake
    finally:
        fake.httpd.shutdown()
        fake.httpd.server_close()
