"""Stripe's own client for Python, on wire's transport: its deadlines, its one origin, no redirects, no proxy from the
environment, its breaker and its places. The client brings requests, retries and telemetry of its own; none of them is
used here.

What wire raises passes through: the client catches its own errors only."""

import json
from collections.abc import Mapping
from typing import Any

import stripe

from ehrcommerce.wire.client import Answer, Partner, ask
from ehrcommerce.wire.errors import BadAnswer

# All that Stripe needs to know of a request; the client would add the machine's platform and an id to follow it by.
SENT = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version", "Stripe-Account")
# The shapes below are those of this version; a newer client of theirs must not change them behind our back.
VERSION = "2026-10-28.endive"
MOST_PAGES = 200
PAGE = "100"

stripe.enable_telemetry = False


class WireClient(stripe.HTTPClient):
    """One call is one exchange. The last answer is kept, since the client hides headers of what went well."""

    name = "wire"

    def __init__(self, partner: Partner) -> None:
        super().__init__()
        self.partner = partner

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[str, int, Mapping[str, str]]:
        kept = {name: value for name, value in (headers or {}).items() if name in SENT}
        body = post_data.encode() if isinstance(post_data, str) else post_data
        answer = ask(self.partner, method.upper(), url, headers={**kept, "Accept": "application/json"}, body=body)
        return self._text(answer), answer.status, answer.headers

    def _text(self, answer: Answer) -> str:
        """What is no JSON object is a gateway's page, not Stripe: with 200 it is a doubt, never a success."""
        if answer.ok and not isinstance(answer.json(), dict):
            raise BadAnswer(self.partner.name, "the answer is not a JSON object")
        try:
            return answer.body.decode()
        except UnicodeDecodeError:
            raise BadAnswer(self.partner.name, "the answer is not text") from None

    def close(self) -> None:
        """The pool is wire's and lives as long as the process."""


def client_of(partner: Partner, api_key: str) -> Any:
    """A client for one supplier row: its key, its address, one try for each call of ours."""
    base = partner.base_url.rstrip("/")
    return stripe.StripeClient(
        api_key or "none", http_client=WireClient(partner), base_addresses={"api": base}, max_network_retries=0,
        stripe_version=VERSION,
    )  # fmt: skip


def plain(found: Any) -> dict[str, Any]:
    """A resource of theirs as JSON values: their objects may change their manners, JSON does not."""
    value: dict[str, Any] = json.loads(str(found))
    return value


def header(error: stripe.StripeError, name: str) -> str:
    return str({key.lower(): value for key, value in (error.headers or {}).items()}.get(name, ""))
