"""A page waits for the payment company a few seconds and no more: then it says "we are checking", and the worker goes
on with all the patience that the company needs. Real calls to the sandbox, on the wall's clock."""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port
from ehrcommerce.workbench.live import Live
from tests.commerce.shop import CY, Shop

build = chosen.adapter_of
MOST_S = outbox.PAGE_WAITS_S + 1.0


class Desk:
    """The sandbox's control desk."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def call(self, method: str, path: str, body: Any = None) -> None:
        headers = {"X-Sandbox-Control": self.live.control_token, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.live.sandbox_url}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            answer.read()

    def slow(self, method: str, seconds: float) -> None:
        """The payment company answers each question of this method so much later."""
        fault = {"partner": "payment", "path": "/pay/sessions.*", "method": method, "kind": "delay"}
        self.call("POST", "/control/faults", {**fault, "delay_s": seconds, "times": 50})

    def healthy(self) -> None:
        self.call("DELETE", "/control/faults")


@pytest.fixture
def desk(shop: Shop, sandbox: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(chosen, "adapter_of", build)
    supplier = shop.supplier(Port.PAYMENT)
    supplier.adapter, supplier.base_url = "payment_hosted", f"{settings.SANDBOX_URL}/pay"
    supplier.api_key = settings.SANDBOX_PARTNER_API_KEY
    supplier.save()
    made = Desk(sandbox)
    made.healthy()
    yield made
    made.healthy()


def test_a_slow_payment_company_makes_no_page_wait_and_the_worker_goes_on(shop: Shop, desk: Desk) -> None:
    order = shop.place(PRESCRIPTION)
    desk.slow("POST", 8)
    began = time.monotonic()
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    assert time.monotonic() - began < MOST_S
    assert (payment.state, payment.page_url) == ("planned", "")
    assert shop.effect("payment.open").state == "unknown"
    desk.healthy()
    for _ in range(3):
        shop.later("payment.open")
        shop.run("payment.open")
    payment.refresh_from_db()
    assert payment.state == "open"
    assert payment.page_url


def test_two_questions_of_one_page_share_its_time(shop: Shop, desk: Desk) -> None:
    order = shop.place(PRESCRIPTION)
    orders.start_payment(order=order, by=CY, at=timezone.now())
    desk.slow("GET", 8)
    began = time.monotonic()
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    with outbox.a_page_waits():
        orders.look_at_payment(payment=payment, at=timezone.now())
        orders.look_at_payment(payment=payment, at=timezone.now())
    assert time.monotonic() - began < MOST_S + outbox.PAGE_WAITS_S
    assert shop.effect("payment.look").state == "planned"


def test_the_worker_waits_longer_than_a_page(shop: Shop, desk: Desk) -> None:
    order = shop.place(PRESCRIPTION)
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    desk.slow("GET", outbox.PAGE_WAITS_S + 1.0)
    effect = outbox.plan_next(
        kind="payment.look", subject=str(payment.public_id), organization_id=shop.clinic.pk, at=timezone.now()
    )
    assert outbox.run(str(effect.public_id)) == "done"
