"""The patient tells the clinic that they take their yes back; the clinician does it from this patient's links."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.areas import LAUNCH_COOKIE
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import consent
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.views.stale import SESSION_KEY
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop
from tests.ehr.fake_ehr import FakeEhr, running

__all__ = ["commits", "shop", "transactional_db"]


class Chair:
    """Ada in Cy's chart."""

    def __init__(self, shop: Shop, ehr: FakeEhr, patient: str = "cy-1") -> None:
        self.shop, self.connection = shop, factories.ehr_connection(shop.clinic, fhir_base=ehr.base)
        session = factories.ehr_session(
            self.connection,
            shop.ada,
            patient=patient,
            at=timezone.now(),
            token_expires_at=timezone.now() + timedelta(hours=8),
        )
        store = SessionStore()
        store[SESSION_KEY] = session.launch_key
        store.create()
        self.client, self.key = Client(), session.launch_key
        self.client.cookies[LAUNCH_COOKIE + self.key] = str(store.session_key)

    def owns(self, order: Order, patient: str = "cy-1") -> Order:
        key = chart_key(self.connection.public_id, "Patient", patient)
        Offer.objects.filter(pk=order.offer_id).update(customer_key=key)
        return order

    def ask(self, method: str, path: str, **fields: str) -> Any:
        walls.leave()
        answer = getattr(self.client, method)(f"/ehr/c/{self.key}/links/{path}", fields)
        walls.enter(self.shop.clinic.pk)
        return answer

    def withdraw(self, order: Order, recipient: str) -> Any:
        return self.ask("post", f"{order.offer.links.get().public_id}/withdraw/", recipient=recipient)


def live(order: Order) -> list[str]:
    found = consent.live(organization_id=order.organization_id, subject=str(order.offer.public_id))
    return [one.recipient for one in found]


@pytest.fixture
def chair(shop: Shop) -> Iterator[Chair]:
    with running() as ehr:
        yield Chair(shop, ehr)


def test_one_recipient_gets_nothing_more_and_the_other_still_does(chair: Chair, shop: Shop) -> None:
    order = chair.owns(shop.authorized("device", "kit"))
    devices, lab = shop.supplier("device").party, shop.supplier("kit").party
    page = chair.ask("get", "").content.decode()
    assert f'value="{devices}"' in page
    answer = chair.withdraw(order, devices)
    assert answer["Location"].endswith("?withdrawn")
    assert devices not in live(order)
    assert lab in live(order)
    states = {part.kind: part.state for part in order.fulfillments.all()}
    assert states["device"] == "cancelled"
    assert states["kit"] != "cancelled"
    said = AuditEvent.objects.get(action="consent.withdrawn")
    assert (said.actor, said.reason, said.recipient) == (str(shop.ada.actor), "told_the_clinic", devices)


def test_everybody_gets_nothing_more_and_the_order_ends(chair: Chair, shop: Shop) -> None:
    order = chair.owns(shop.authorized("device", "kit"))
    assert chair.withdraw(order, "everybody")["Location"].endswith("?withdrawn")
    assert live(order) == []
    assert shop.fresh(order).state == "cancelled"
    assert chair.withdraw(order, "everybody")["Location"].endswith("?no_yes")
    page = chair.ask("get", "").content.decode()
    assert "takes back the yes" not in page


def test_nothing_is_taken_back_without_a_choice_or_from_a_stranger(chair: Chair, shop: Shop) -> None:
    order = chair.owns(shop.authorized("device"))
    before = live(order)
    assert before
    answer = chair.withdraw(order, "")
    assert (answer.status_code, "Nothing was taken back" in answer.content.decode()) == (422, True)
    assert chair.withdraw(order, "supplier:nobody")["Location"].endswith("?no_yes")
    other = chair.owns(order, "dee-2")
    assert chair.withdraw(other, "everybody").status_code == 404
    assert live(order) == before
