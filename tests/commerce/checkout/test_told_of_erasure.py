"""Whoever was given something of a person who is erased is told: messengers and plans by the references of what they got."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import forgetting, rights
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Outcome
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.checkout.test_rights import erase, over
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop

__all__ = ["commits", "shop", "transactional_db"]


@pytest.fixture
def told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Port -> references that its partner heard."""
    heard: dict[str, list[str]] = {}

    def listening(port: str) -> Any:
        def forget(references: list[str], *, idempotency_key: str) -> Outcome:
            assert idempotency_key
            heard.setdefault(port, []).extend(references)
            return Done()

        return forget

    shop.messenger.forget = listening("messaging")  # type: ignore[attr-defined]
    payer = type("Payer", (), {"capability": "native_key", "forget": staticmethod(listening("eligibility"))})()
    real = chosen.adapter_of
    monkeypatch.setattr(chosen, "adapter_of", lambda one: payer if one.port == Port.ELIGIBILITY else real(one))
    return heard


def asked_of_plan(shop: Shop, order: Order, payer: Supplier) -> Effect:
    """A question that this plan once got about the order's offer."""
    now, link = timezone.now(), order.offer.links.get()
    session = CheckoutSession.objects.create(
        organization=shop.clinic, link=link, cookie_sha256=uuid4().bytes * 2, payer=payer, started_at=now, seen_at=now,
        expires_at=now + timedelta(minutes=5), ended_at=now,
    )  # fmt: skip
    return Effect.objects.create(
        organization_id=shop.clinic.pk, kind="checkout.eligibility", subject=str(session.public_id), generation=1,
        state="done", request_sha256=b"x" * 32, created_at=now, changed_at=now,
    )  # fmt: skip


def test_messenger_and_plan_are_told_of_what_they_got_and_of_nothing_else(
    shop: Shop, told: dict[str, list[str]]
) -> None:
    order, other = over(shop, DEVICE), over(shop, DEVICE)
    question = asked_of_plan(shop, order, shop.add_supplier(Port.ELIGIBILITY))
    asked_of_plan(shop, other, shop.supplier(Port.ELIGIBILITY))
    sent = {message.reference for message in shop.messenger.sent}
    erase(shop, order)
    shop.run("checkout.forget")
    assert told["eligibility"] == [str(question.public_id)]
    assert set(told["messaging"]) < sent
    assert {effect.subject.split(":")[1] for effect in Effect.objects.filter(public_id__in=told["messaging"])} <= {
        str(order.public_id), *(str(part.public_id) for part in shop.fulfillments(order))
    }  # fmt: skip
    rows = AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="erasure.told", entity__startswith="offer:")
    assert {row.recipient for row in rows} == {
        shop.supplier(Port.MESSAGING).party,
        shop.supplier(Port.ELIGIBILITY).party,
    }


def test_what_they_hear_names_nobody(shop: Shop, told: dict[str, list[str]]) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    shop.run("checkout.forget")
    assert told["messaging"]
    assert all(Effect.objects.filter(public_id=one).exists() for one in told["messaging"])


def test_who_has_no_address_for_it_is_told_by_a_person(shop: Shop) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    shop.run("checkout.forget")
    effect = Effect.objects.get(organization_id=shop.clinic.pk, kind="checkout.forget")
    assert (effect.state, effect.code) == ("needs_human", "tell_by_hand")


def test_a_partner_without_an_agreement_is_sent_nothing(shop: Shop, told: dict[str, list[str]]) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING).update(active=False)
    shop.run("checkout.forget")
    assert told == {}
    assert Effect.objects.get(organization_id=shop.clinic.pk, kind="checkout.forget").code == "no_agreement"


def test_asked_once_more_nobody_is_told_twice(shop: Shop, told: dict[str, list[str]]) -> None:
    order = over(shop, DEVICE)
    erase(shop, order)
    shop.run("checkout.forget")
    heard = list(told["messaging"])
    rights.ask_to_erase(
        organization_id=shop.clinic.pk, customer_key=order.offer.customer_key, reason="again", by=shop.ada.actor,
        at=timezone.now(),
    )  # fmt: skip
    shop.run("checkout.forget")
    assert told["messaging"] == heard


def test_nobody_is_told_where_nothing_went_out(shop: Shop) -> None:
    link = shop.link(DEVICE)
    assert forgetting.given(link.offer) == {}
