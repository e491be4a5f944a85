"""One value, shown once: with a fresh code, a reason, a class that allows it, and a trace that does not hold it.
[SEC-B11, SEC-B12]"""

import time
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import reveal
from ehrcommerce.accounts.models import Reveal, Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.orders.models import Order
from tests import factories
from tests.admin.conftest import STAFF, SignedIn, signed_in, staff_user
from tests.audit.test_refused_insert import refusing
from tests.commerce.shop import HOME, Shop

WHY = {"reason": "delivery", "note": "Parcel came back, carrier calls"}


def code_of(role: str, shop: Shop) -> str:
    """What the authenticator shows now; the device forgets that it was used."""
    user = User.objects.get(username=f"{role}-{shop.clinic.pk}")
    device = TOTPDevice.objects.get(user=user)
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1, throttling_failure_count=0, tolerance=1)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time()
    return f"{totp.token():06d}"


def page_of(order: Order) -> str:
    return f"/admin/reveal/orders.order.ship_to/{order.pk}/"


def ask(client: Client, address: str, **changes: str) -> Any:
    return client.post(address, {**WHY, **changes})


def shown(answer: Any) -> bool:
    return HOME.line in answer.content.decode()


@pytest.mark.parametrize("role", STAFF)
def test_the_class_decides_who_may_look(as_role: SignedIn, shop: Shop, role: str) -> None:
    order, client = shop.dispatched("device"), as_role(role)
    answer = ask(client, page_of(order), otp_token=code_of(role, shop))
    may = role in (Role.FULFILLMENT, Role.ADMINISTRATOR)
    assert (answer.status_code, shown(answer)) == ((200, True) if may else (403, False))
    link = f'href="{page_of(order)}"'
    assert (link in client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()) is may


def test_it_takes_a_code_and_the_session_gets_another_key(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.dispatched("device"), as_role(Role.FULFILLMENT)
    assert not shown(ask(client, page_of(order)))
    assert not shown(ask(client, page_of(order), otp_token="000000"))
    assert not shown(client.get(page_of(order)))
    before = client.session.session_key
    answer = ask(client, page_of(order), otp_token=code_of(Role.FULFILLMENT, shop))
    assert shown(answer)
    assert "no-store" in answer["Cache-Control"]
    assert client.session.session_key != before
    assert not shown(client.get(page_of(order)))


def test_a_code_is_fresh_for_five_minutes(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.dispatched("device"), as_role(Role.FULFILLMENT)
    ask(client, page_of(order), otp_token=code_of(Role.FULFILLMENT, shop))
    assert shown(ask(client, page_of(order)))
    session = client.session
    session["code_at"] = int(time.time()) - 301
    session.save()
    assert not shown(ask(client, page_of(order)))


def test_what_was_shown_is_in_the_audit_by_name_and_nowhere_by_value(as_role: SignedIn, shop: Shop) -> None:
    order, client = shop.dispatched("device"), as_role(Role.FULFILLMENT)
    ask(client, page_of(order), otp_token=code_of(Role.FULFILLMENT, shop))
    event = AuditEvent.objects.get(action="value.revealed", entity=f"order:{order.public_id}", outcome="success")
    assert (event.elements, event.reason) == ("orders.order.ship_to", "delivery")
    assert event.patient_ref is not None
    kept = [str(value) for value in AuditEvent.objects.filter(organization_id=shop.clinic.pk).values()]
    assert not any(HOME.line in text or HOME.name in text for text in kept)
    assert Reveal.objects.get(entity=f"order:{order.public_id}").note == WHY["note"]


@pytest.mark.parametrize(
    "note", ["lives at 12 Alder St", "it is for Rivera", "zip 98501 wrong", "Cy  RIVERA called", "x", "y" * 201]
)
def test_the_reason_does_not_repeat_the_value_and_has_a_length(as_role: SignedIn, shop: Shop, note: str) -> None:
    order, client = shop.dispatched("device"), as_role(Role.FULFILLMENT)
    answer = ask(client, page_of(order), note=note, otp_token=code_of(Role.FULFILLMENT, shop))
    assert (answer.status_code, Reveal.objects.filter(entity=f"order:{order.public_id}").count()) == (422, 0)


def test_nobody_looks_without_end(shop: Shop) -> None:
    order, user = shop.dispatched("device"), staff_user(shop.clinic, Role.FULFILLMENT)
    what, at = reveal.REVEALABLE["orders.order.ship_to"], timezone.now()
    for _ in range(reveal.AN_HOUR):
        reveal.reveal(what=what, row=order, reason="delivery", note="for the carrier", by=user, at=at)
    with pytest.raises(reveal.TooMany):
        reveal.reveal(what=what, row=order, reason="delivery", note="for the carrier", by=user, at=at)
    assert AuditEvent.objects.filter(action="value.revealed", outcome="refused", reason="TooMany").exists()


def test_of_another_clinic_there_is_nothing_to_look_at(as_role: SignedIn, shop: Shop) -> None:
    order = shop.dispatched("device")
    stranger = signed_in(staff_user(factories.organization(), Role.FULFILLMENT))
    assert stranger.get(page_of(order)).status_code == 404
    assert as_role(Role.FULFILLMENT).get("/admin/reveal/offers.offer.birth_digest/1/").status_code == 404


def test_what_cannot_be_recorded_is_not_shown(as_role: SignedIn, shop: Shop) -> None:
    """The audit takes no row: no value on the page, no look counted. [REL-P36]"""
    order, client = shop.dispatched("device"), as_role(Role.FULFILLMENT)
    assert shown(ask(client, page_of(order), otp_token=code_of(Role.FULFILLMENT, shop)))
    looked = Reveal.objects.count()
    client.raise_request_exception = False
    with refusing():
        answer = ask(client, page_of(order))
    assert (answer.status_code, shown(answer)) == (500, False)
    assert Reveal.objects.count() == looked
    assert shown(ask(client, page_of(order)))
