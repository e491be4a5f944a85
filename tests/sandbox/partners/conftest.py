"""A caller of the partners' APIs, and a receiver for what they tell by themselves."""

import http.server
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
import requests

T = TypeVar("T")

HEALTHY_ADDRESS = {
    "name": "Cy Sample",
    "line": "12 Shore Road",
    "city": "Madison",
    "state": "WI",
    "postal_code": "53703",
    "country": "US",
}


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The running site as the app knows it: by its environment."""

    url: str
    control_token: str
    partner_api_key: str
    callback_secret: str


@dataclass(kw_only=True)
class Caller:
    """Speaks to the sandbox as the app does (`get`, `post`) and as its operator (`control`, `look`)."""

    sandbox: Sandbox
    http: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str) -> requests.Response:
        """Ask a partner."""
        return self.http.get(self.sandbox.url + path, headers=self._key(), timeout=10)

    def post(self, path: str, body: Any, *, key: str | None = None) -> requests.Response:
        """Ask a partner for an act, under a new idempotency key unless one is given."""
        headers = {**self._key(), "Idempotency-Key": key or uuid.uuid4().hex}
        return self.http.post(self.sandbox.url + path, json=body, headers=headers, timeout=10)

    def control(self, path: str, body: Any) -> Any:
        """Steer; whatever is refused fails the test."""
        answer = self.http.post(f"{self.sandbox.url}/control/{path}", json=body, headers=self._token(), timeout=10)
        answer.raise_for_status()
        return answer.json()

    def look(self, path: str) -> Any:
        """Read through the control."""
        answer = self.http.get(f"{self.sandbox.url}/control/{path}", headers=self._token(), timeout=10)
        answer.raise_for_status()
        return answer.json()

    def page(self, path: str) -> str:
        """A page as a browser without script gets it."""
        answer = self.http.get(self.sandbox.url + path, timeout=10)
        answer.raise_for_status()
        return answer.text

    def place(self, *skus: str, partner: str = "pharmacy") -> dict[str, Any]:
        """An order that is received; returns the partner's answer."""
        answer = self.post(f"/{partner}/orders", new_order(*skus))
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sandbox.partner_api_key}"}

    def _token(self) -> dict[str, str]:
        return {"X-Sandbox-Control": self.sandbox.control_token}


def new_order(*skus: str) -> dict[str, Any]:
    """The body of an order with one line for each sku, and a reference never used before."""
    lines = [{"sku": sku, "quantity": 1} for sku in skus or ("RX-LISINOPRIL-10",)]
    return {"reference": f"t-{uuid.uuid4().hex}", "ship_to": HEALTHY_ADDRESS, "lines": lines}


def until(look: Callable[[], T], *, within_s: float = 10) -> T:
    """The first true answer of `look`; fails when none comes in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail("it did not happen in time")


@dataclass
class Receiver:
    """An address that partners can call. It answers what `answers` says, then 200."""

    url: str
    answers: list[int] = field(default_factory=list)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


def _handler(receiver: Receiver) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.calls.append((dict(self.headers.items()), body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@pytest.fixture
def caller(sandbox: object) -> Iterator[Caller]:
    """Orders of these tests move by hand only. The fixture `sandbox` runs the site that the environment names."""
    site = Sandbox(
        url=os.environ["EHRC_SANDBOX_URL"],
        control_token=os.environ["SANDBOX_CONTROL_TOKEN"],
        partner_api_key=os.environ["SANDBOX_PARTNER_API_KEY"],
        callback_secret=os.environ["SANDBOX_CALLBACK_SECRET"],
    )
    one = Caller(sandbox=site)
    one.control("step", {"step_s": 0})
    yield one
    one.control("step", {"step_s": None})
    one.http.close()


@pytest.fixture
def receiver(caller: Caller) -> Iterator[Receiver]:
    """Partners call here during the test, and where they called before after it."""
    before = caller.look("callbacks")["callbacks"]
    listening = Receiver(url="")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(listening))
    listening.url = f"http://127.0.0.1:{server.server_port}/hooks/here/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    partners = ("pharmacy", "devices", "lab", "payment")
    caller.control("callbacks", dict.fromkeys(partners, listening.url))
    yield listening
    caller.control("callbacks", {partner: before.get(partner, "") for partner in partners})
    server.shutdown()
    server.server_close()
    thread.join()
