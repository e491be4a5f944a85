"""The red button: one command, and nothing of a clinic opens or leaves any more."""

from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ehrcommerce.accounts import agreements
from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import services as checkout
from ehrcommerce.commerce.checkout.errors import CheckoutOver
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.ehr import incident, sessions
from ehrcommerce.ehr.errors import SessionOver
from ehrcommerce.ehr.models import EhrConnection, EhrSession
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import NoSupplier
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop

__all__ = ["commits", "shop", "transactional_db"]


def press(clinic: Organization, *more: str) -> str:
    said = StringIO()
    call_command("revoke_all", "--organization", str(clinic.public_id), *more, stdout=said)
    walls.enter(clinic.pk)
    return said.getvalue()


@pytest.fixture
def connection_of(shop: Shop) -> EhrConnection:
    return factories.ehr_connection(shop.clinic)


def test_everything_that_opens_a_door_is_void_at_once(shop: Shop, connection_of: EhrConnection) -> None:
    at = timezone.now()
    link = shop.link("device", consented=False)
    _, cookie = checkout.begin(organization_id=shop.clinic.pk, link_id=link.pk, language="en", at=at)
    launch = factories.ehr_session(connection_of, shop.ada, at=at)
    supplier = shop.supplier("device")
    chosen.usable(supplier, at=at)
    said = press(shop.clinic)
    assert "1 links revoked, 1 checkouts and 1 launches ended" in said
    assert PurchaseLink.objects.get(pk=link.pk).state == "revoked"
    with pytest.raises(CheckoutOver):
        checkout.resume(cookie, at=at)
    with pytest.raises(SessionOver):
        sessions.current(launch.launch_key, at)
    walls.enter(shop.clinic.pk)
    assert EhrSession.objects.get(pk=launch.pk).access_token == ""
    with pytest.raises(NoSupplier):
        chosen.usable(supplier, at=at)
    assert not agreements.is_live(organization_id=shop.clinic.pk, party=connection_of.party, service="chart", at=at)
    assert AuditEvent.objects.filter(action="incident.stopped", organization_id=shop.clinic.pk).count() == 1


def test_it_is_lifted_and_what_was_revoked_stays_so(shop: Shop) -> None:
    link = shop.link("device", consented=False)
    press(shop.clinic)
    assert "lifted" in press(shop.clinic, "--lift")
    chosen.usable(shop.supplier("device"), at=timezone.now())
    assert PurchaseLink.objects.get(pk=link.pk).state == "revoked"


def test_the_clinic_next_door_notices_nothing(shop: Shop) -> None:
    other = factories.organization()
    made = factories.ehr_connection(other)
    launch = factories.ehr_session(made, factories.clinician(other, subject="bo"), at=timezone.now())
    press(shop.clinic)
    assert sessions.current(launch.launch_key, timezone.now()).pk == launch.pk


def test_many_links_cost_no_more_than_one(shop: Shop) -> None:
    """Ten seconds for a large clinic is a matter of how often the database is asked, which a count shows."""
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            incident.stop(organization_id=shop.clinic.pk, by=audit.system("test"), at=timezone.now())
        return len(queries)

    shop.link("device", consented=False)
    one = asked()
    now = timezone.now()
    offer = PurchaseLink.objects.latest("pk").offer
    PurchaseLink.objects.bulk_create(
        PurchaseLink(
            organization=shop.clinic, offer=offer, token_sha256=uuid4().bytes * 2, state="draft", created_at=now,
            expires_at=now + timedelta(days=7),
        )
        for _ in range(500)
    )  # fmt: skip
    assert asked() == one
    assert not PurchaseLink.objects.filter(state="draft").exists()


def test_who_is_stopped_is_named_exactly(db: Any) -> None:
    with pytest.raises(CommandError):
        call_command("revoke_all", "--organization", "nobody")


def test_nothing_that_waited_in_a_checkout_is_kept(shop: Shop) -> None:
    link = shop.link("device", consented=False)
    session, _ = checkout.begin(organization_id=shop.clinic.pk, link_id=link.pk, language="en", at=timezone.now())
    session.ship_to = {"line": "12 Alder St"}
    session.save()
    press(shop.clinic)
    assert CheckoutSession.objects.get(pk=session.pk).ship_to == {}
