"""A database that commits, a shop on it, and adapters that speak with the sandbox's partners."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.workbench.live import Live
from tests.commerce.fixtures import commits, shop, transactional_db

__all__ = ["commits", "shop", "transactional_db"]
PATHS = {
    "pharmacy_http": "pharmacy",
    "device_http": "devices",
    "kit_http": "lab",
    "carrier_http": "carrier",
    "payment_hosted": "pay",
    "eligibility_http": "payer",
    "messaging_http": "messages",
}
Make = Callable[..., Any]


@pytest.fixture
def partner(sandbox: Live) -> Make:
    """An adapter by name, for the sandbox's partner; no row is needed to speak."""

    def make(adapter: str, **changes: Any) -> Any:
        values = {
            "api_key": settings.SANDBOX_PARTNER_API_KEY,
            "base_url": f"{settings.SANDBOX_URL}/{PATHS[adapter]}",
            **changes,
        }
        return chosen.adapter_of(Supplier(adapter=adapter, port=adapter.partition("_")[0], name=adapter, **values))

    return make


@pytest.fixture
def desk(sandbox: Live) -> Make:
    """The sandbox's control desk."""

    def call(method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Control": sandbox.control_token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{sandbox.sandbox_url}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.strip() else None

    call("DELETE", "/control/faults")
    return call
