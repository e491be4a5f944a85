"""No room on the database's disk, no file handle left: refused honestly, nothing lost, and well again by itself.
[REL-P35, F39]"""

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.utils import timezone

from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders import services
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.outcomes import Outcome
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.urls import errors
from ehrcommerce.wire.client import Partner, ask
from ehrcommerce.wire.errors import NotSent
from tests.commerce.shop import CY, HOME, Shop
from tests.wire.test_client import Server, server

__all__ = ["server"]


def as_owner(*statements: str) -> None:
    """On a session of its own, which owns the tables."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("RESET ROLE")
            for statement in statements:
                cursor.execute(statement)
    finally:
        other.close()


@contextmanager
def full(table: str, shop: Shop) -> Iterator[None]:
    """Every new row of this table, for this clinic, meets a disk that is full: PostgreSQL's own error."""
    name = f"full_{table}_{shop.clinic.pk}"
    as_owner(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.organization_id = {shop.clinic.pk}"
        " THEN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END IF;"
        " RETURN NEW; END $$",
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )
    try:
        yield
    finally:
        as_owner(f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}()")


def order(shop: Shop, link: PurchaseLink) -> Order:
    return services.place_order(
        link=link, quote=shop.quote(link), ship_to=HOME, language="en", by=CY, at=timezone.now()
    )


@pytest.mark.parametrize("table", ["orders_order", "audit_auditevent", "orders_orderevent"])
def test_an_order_that_finds_no_room_is_none_and_the_next_try_makes_one(shop: Shop, table: str) -> None:
    link = shop.link(DEVICE)
    with full(table, shop):
        try:
            order(shop, link)
        except OperationalError:
            answer = errors.server_error(RequestFactory().get("/c/pay/"))
        else:
            pytest.fail("the disk was full, and an order was placed")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert not Order.objects.filter(organization=shop.clinic).exists()
    link.refresh_from_db()
    assert link.state == "verified", "the link is not spent"
    assert order(shop, link).pk


def test_an_answer_that_finds_no_room_is_asked_for_again_and_the_supplier_has_one_order(shop: Shop) -> None:
    placed = shop.authorized(DEVICE)
    with full("fulfillment_fulfillment", shop), pytest.raises(OperationalError):
        # The check before the call is written, or nothing is called.
        shop.run("fulfillment.dispatch", rounds=1)
    assert shop.devices.placed == []
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert (shop.fresh(placed).state, len(shop.devices.placed)) == ("dispatched", 1)


def test_where_the_result_of_a_call_finds_no_room_it_is_asked_for_and_not_sent_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, place = shop.authorized(DEVICE), shop.devices.place
    with ExitStack() as disk:

        def then_full(body: bytes, *, idempotency_key: str) -> Outcome:
            outcome = place(body, idempotency_key=idempotency_key)
            disk.enter_context(full("orders_orderevent", shop))
            return outcome

        with monkeypatch.context() as running:
            running.setattr(shop.devices, "place", then_full)
            with pytest.raises(OperationalError):
                shop.run("fulfillment.dispatch", rounds=1)
        assert shop.effect("fulfillment.dispatch").state == "unknown"
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert (shop.fresh(placed).state, len(shop.devices.placed)) == ("dispatched", 1)


def test_without_a_file_handle_nothing_is_sent_and_the_next_try_goes(server: Server) -> None:
    asked = Partner(name=f"handles {server.url}", base_url=server.url)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(NotSent):
            ask(asked, "POST", "x", body=b"order")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert server.seen == []
    assert ask(asked, "POST", "x", body=b"order").ok
