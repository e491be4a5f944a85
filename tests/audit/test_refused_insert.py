"""If the audit cannot be written, the act does not happen: for each kind of act. [REL-P36]"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts import agreements, approvals
from ehrcommerce.accounts.models import Agreement, Organization, Role, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.consent import Wanted
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import State
from tests.admin.conftest import second_approves, signed_in, staff_user
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import CY, Shop
from tests.factories import agreement

__all__ = ["commits", "shop", "transactional_db"]
YES = {"customer_key": "k", "subject": "s", "language": "en", "text": "words", "identity_level": 2}


@contextmanager
def refusing() -> Iterator[None]:
    """The database takes no row into the audit any more."""
    rights("REVOKE INSERT ON audit_auditevent FROM ehrc_app")
    try:
        yield
    finally:
        columns = ", ".join(str(field.column) for field in AuditEvent._meta.concrete_fields if not field.primary_key)
        rights(f"GRANT INSERT ({columns}) ON audit_auditevent TO ehrc_app")


def rights(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(sql)
        cursor.execute("SET ROLE ehrc_app")


def rows(clinic: Organization) -> int:
    return AuditEvent.objects.filter(organization_id=clinic.pk).count()


def test_no_consent_is_given_or_taken_back(shop: Shop) -> None:
    wanted = [Wanted("device", "supplier:1", "S")]
    with refusing(), pytest.raises(DatabaseError):
        consent.give(organization_id=shop.clinic.pk, wanted=wanted, by=CY, at=timezone.now(), **YES)  # type: ignore[arg-type]
    assert not Consent.objects.filter(organization_id=shop.clinic.pk).exists()
    consent.give(organization_id=shop.clinic.pk, wanted=wanted, by=CY, at=timezone.now(), **YES)  # type: ignore[arg-type]
    with refusing(), pytest.raises(DatabaseError):
        consent.withdraw(organization_id=shop.clinic.pk, subject="s", recipient="supplier:1", by=CY, at=timezone.now())
    assert Consent.objects.get(organization_id=shop.clinic.pk).withdrawn_at is None


def test_no_order_reaches_a_supplier(shop: Shop) -> None:
    order = shop.authorized("device")
    with refusing(), pytest.raises(DatabaseError):
        shop.run("fulfillment.dispatch")
    assert shop.devices.placed == []
    assert shop.effect("fulfillment.dispatch").state != State.SENDING
    shop.later("fulfillment.dispatch")
    shop.run("fulfillment.dispatch")
    assert shop.fresh(order).state == "dispatched"


def test_no_link_is_sent(shop: Shop) -> None:
    link = shop.link("device")
    effect = outbox.plan(
        kind="offers.link", subject=str(link.public_id), organization_id=shop.clinic.pk, at=timezone.now(), ring=False
    )
    with refusing(), pytest.raises(DatabaseError):
        outbox.run(str(effect.public_id))
    assert shop.messenger.sent == []


def test_no_order_is_placed(shop: Shop) -> None:
    with refusing(), pytest.raises(DatabaseError):
        shop.place("device")
    assert not Order.objects.filter(organization_id=shop.clinic.pk).exists()


def test_no_link_is_revoked(shop: Shop) -> None:
    link = shop.link("device")
    with refusing(), pytest.raises(DatabaseError):
        links.end(link=link, state="revoked", reason="clinic", by=shop.ada.actor, at=timezone.now())
    assert PurchaseLink.objects.get(pk=link.pk).state == link.state


def test_no_agreement_is_put_in_force(shop: Shop) -> None:
    row = agreement(
        shop.clinic, "supplier:1", state="draft", document_sha256="a" * 64, breach_contact="1", services="kit"
    )
    with refusing(), pytest.raises(DatabaseError):
        agreements.activate(row, by=audit.system("test"), at=timezone.now())
    assert Agreement.objects.get(pk=row.pk).state == "draft"


@pytest.fixture
def office(shop: Shop) -> Client:
    client = signed_in(staff_user(shop.clinic, Role.ADMINISTRATOR))
    client.raise_request_exception = False
    return client


def test_no_row_is_changed_in_the_back_office(shop: Shop, office: Client) -> None:
    row = agreement(shop.clinic, "supplier:" + "1" * 8 + "-1111-1111-1111-111111111111", state="draft", services="kit")
    fields = {
        "party": row.party, "party_name": "Other", "party_role": row.party_role, "services": "kit", "document": "cabinet",
        "effective": "2026-01-01", "signed_off_by": "Cleo",
    }  # fmt: skip
    address = f"/admin/accounts/agreement/{row.pk}/change/"
    with refusing():
        assert office.post(address, fields).status_code == 500
    assert Agreement.objects.get(pk=row.pk).party_name == row.party
    assert office.post(address, fields).status_code == 302
    assert Agreement.objects.get(pk=row.pk).party_name == "Other"


def test_no_export_leaves_and_no_approval_is_spent_unrecorded(shop: Shop, office: Client) -> None:
    user = User.objects.get(pk=office.session["_auth_user_id"])
    change = approvals.propose(kind="bulk_export", entity=approvals.act("bulk_export"), by=user, at=timezone.now())
    second_approves(shop.clinic)
    address, times = "/admin/audit/auditevent/export/", {"since": "2026-01-01", "until": "2027-01-01"}
    with refusing():
        answer = office.post(address, times)
    assert (answer.status_code, answer.streaming) == (500, False)
    change.refresh_from_db()
    assert change.state == "approved"
    assert office.post(address, times).streaming


@pytest.mark.parametrize(
    "address",
    [
        "audit/auditevent/",
        "audit/auditevent/accounting/?patient={order}",
        "orders/order/{pk}/change/",
        "orders/order/{pk}/history/",
    ],
)
def test_nothing_is_shown_of_what_is_recorded_when_seen(shop: Shop, office: Client, address: str) -> None:
    order = shop.place("device")
    with refusing():
        answer = office.get(f"/admin/{address.format(order=order.public_id, pk=order.pk)}")
    assert answer.status_code == 500
    assert order.number not in answer.content.decode()
