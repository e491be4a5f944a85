"""A partner in trouble: it is left alone, work for it waits and is not lost, the others go on, and people are told whom
to call. [REL-P15, P30]"""

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts.models import Role
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler, register
from ehrcommerce.outbox.models import POISON_AFTER, Effect
from ehrcommerce.outbox.outcomes import Done, Outcome
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Health, PartnerHealth, Port, Supplier
from ehrcommerce.wire.breaker import FAILING_S, FAILURES, REST_S, Breaker
from ehrcommerce.wire.client import ask
from ehrcommerce.wire.errors import Busy, CircuitOpen, NotSent, WrongAddress
from tests.admin.conftest import SignedIn, as_role
from tests.commerce.shop import Shop
from tests.wire.test_client import Server, plain

__all__ = ["as_role"]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()


def row(shop: Shop, url: str, **changes: Any) -> Supplier:
    supplier = shop.add_supplier(Port.DEVICE, name=f"Devices {uuid4().hex[:6]}", **changes)
    Supplier.objects.filter(pk=supplier.pk).update(base_url=url)
    supplier.refresh_from_db()
    return supplier


def test_it_opens_within_ten_seconds_and_is_probed_every_fifteen() -> None:
    rarely, often = Breaker(), Breaker()
    for at in (0.0, FAILING_S):
        rarely.heard(failed=True, now=at)
    for _ in range(FAILURES):
        often.heard(failed=True, now=0.0)
    assert FAILING_S <= 10.0
    assert rarely.state == often.state == "open"
    assert (often.rests_s(5.0), often.allows(5.0), often.allows(REST_S + 1)) == (REST_S - 5.0, False, True)
    often.heard(failed=False, now=REST_S + 1)
    assert often.state == "ok"


def test_one_failure_and_one_long_ago_are_no_outage() -> None:
    breaker = Breaker()
    breaker.heard(failed=True, now=0.0)
    assert (breaker.state, breaker.allows(1.0)) == ("degraded", True)
    breaker.heard(failed=False, now=2.0)
    breaker.heard(failed=True, now=1000.0)
    assert breaker.state == "degraded"


def test_each_organization_has_its_own_breaker_and_everybody_sees_it(shop: Shop, server: Server) -> None:
    server.answer = lambda handler: plain(handler, 503, b"{}")
    ill, same_partner = row(shop, server.url), row(shop, server.url)
    for _ in range(FAILURES):
        ask(chosen.partner_of(ill), "GET", "x")
    with pytest.raises(CircuitOpen) as open_:
        ask(chosen.partner_of(ill), "GET", "x")
    assert 0 < open_.value.wait_s <= REST_S
    assert ask(chosen.partner_of(same_partner), "GET", "x").status == 503
    seen = PartnerHealth.objects.get(supplier=ill)
    assert (seen.state, seen.code) == (Health.OPEN, "http_503")
    assert len(server.seen) == FAILURES + 1


def test_whoever_opens_the_back_office_sees_what_is_wrong_and_whom_to_call(
    shop: Shop, as_role: SignedIn, server: Server
) -> None:
    ill = row(
        shop, server.url, owner="Dee", escalation="Lab desk, +1 360 555 0199", runbook_url="https://wiki.example/lab"
    )
    PartnerHealth.objects.create(organization=shop.clinic, supplier=ill, state=Health.OPEN, code="NotSent",
                                 since=timezone.now(), changed_at=timezone.now())  # fmt: skip
    page = as_role(Role.OPERATIONS).get(reverse("admin:index")).content.decode()
    for words in (ill.name, "Left alone since", "Owner: Dee.", "Call: Lab desk, +1 360 555 0199.", "wiki.example/lab"):
        assert words in page


class Send(Handler):
    """Asks the partner whose row the subject names."""

    kind = "test.trouble"
    supplier: Supplier

    def send(self, effect: Effect, body: bytes) -> Outcome:
        ask(chosen.partner_of(self.supplier), "POST", "x", body=b"{}")
        return Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.missing(effect)


def test_an_outage_is_no_poison_and_work_waits_for_the_probe(shop: Shop) -> None:
    handler = Send()
    handler.supplier = row(shop, "http://127.0.0.1:1")
    register(handler)
    effect = outbox.plan(kind="test.trouble", subject=uuid4().hex, organization_id=shop.clinic.pk, at=timezone.now())
    for _ in range(FAILURES + POISON_AFTER + 2):
        Effect.objects.filter(pk=effect.pk).update(next_run_at=timezone.now())
        outbox.run(str(effect.public_id))
    effect.refresh_from_db()
    assert (effect.state, effect.code, effect.attempt) == ("planned", "CircuitOpen", 0)
    assert effect.next_run_at is not None
    assert (effect.next_run_at - timezone.now()).total_seconds() < REST_S + 6


def test_a_slow_partner_takes_its_own_places_and_no_more(shop: Shop, server: Server) -> None:
    free = threading.Event()

    def slow(handler: Any) -> None:
        free.wait(20)
        plain(handler, 200, b"{}")

    server.answer = slow
    supplier = row(shop, server.url, at_once=2)
    partner = chosen.partner_of(supplier)
    threads = [threading.Thread(target=ask, args=(partner, "GET", "x")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(400):
        if len(server.seen) == 2:
            break
        time.sleep(0.02)
    with pytest.raises(Busy):
        ask(partner, "GET", "x")
    free.set()
    for thread in threads:
        thread.join(20)
    assert ask(partner, "GET", "x").ok
    assert len(server.seen) == 3


def test_a_host_that_is_not_on_the_list_is_not_called(shop: Shop, server: Server, settings: Any) -> None:
    supplier = row(shop, server.url)
    settings.PARTNER_HOSTS = ["*.pharmacy.example"]
    with pytest.raises(WrongAddress):
        ask(chosen.partner_of(supplier), "GET", "x")
    settings.PARTNER_HOSTS = ["127.0.0.1"]
    assert ask(chosen.partner_of(supplier), "GET", "x").ok
    assert issubclass(WrongAddress, NotSent)
