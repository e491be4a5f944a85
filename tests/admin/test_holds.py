"""A legal hold is placed and ended by two people, stops every erasing while it stands, and its pages say who nobody is.
What a purge erased is read by those who watch over it. [SEC-B11]"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Organization, ProposedChange, Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import rights
from ehrcommerce.disclosure.models import LegalHold, PurgeCertificate
from tests.admin.conftest import SignedIn, second_approves
from tests.commerce.shop import CY, Shop

PAGE = "/admin/disclosure/legalhold/"
WHY = "case 14 of the county court"


def propose(as_role: SignedIn, patient: str, **more: str) -> Any:
    return as_role(Role.PRIVACY).post(f"{PAGE}place/", {"patient": patient, "why": WHY, **more}, follow=True)


def test_a_hold_stands_once_a_second_person_lets_it(as_role: SignedIn, shop: Shop) -> None:
    order = shop.place("device")
    assert "Waits for a second person" in propose(as_role, order.number).content.decode()
    assert not LegalHold.objects.exists()
    waiting = ProposedChange.objects.latest("pk")
    page = as_role(Role.ADMINISTRATOR).get(f"/admin/accounts/proposedchange/{waiting.pk}/change/").content.decode()
    assert WHY in page
    assert order.number in page
    second_approves(shop.clinic)
    hold = LegalHold.objects.get()
    assert (hold.customer_key, hold.why, hold.until) == (order.offer.customer_key, WHY, None)
    asked = rights.ask_to_erase(
        organization_id=shop.clinic.pk, customer_key=hold.customer_key, reason="r", by=CY, at=timezone.now()
    )
    assert asked.waits_for == rights.LEGAL_HOLD
    assert not ProposedChange.objects.latest("pk").payload


def test_a_hold_ends_once_a_second_person_lets_it(as_role: SignedIn, shop: Shop) -> None:
    propose(as_role, shop.place("device").number)
    second_approves(shop.clinic)
    hold = LegalHold.objects.get()
    page = f"{PAGE}{hold.pk}/change/"
    assert "Propose to end this hold" in as_role(Role.ADMINISTRATOR).get(page).content.decode()
    as_role(Role.ADMINISTRATOR).post(f"{PAGE}{hold.pk}/release/")
    assert LegalHold.objects.get().released_at is None
    second_approves(shop.clinic)
    assert LegalHold.objects.get().released_at is not None
    assert "Propose to end" not in as_role(Role.ADMINISTRATOR).get(page).content.decode()
    told = AuditEvent.objects.filter(entity=f"hold:{hold.public_id}").values_list("action", flat=True)
    assert {"hold.placed", "hold.released"} <= set(told)


@pytest.mark.parametrize(
    ("patient", "until", "says"),
    [("LK-NOBODY", "", "Nothing is known"), ("offer:7", "", "Nothing is known"), ("{number}", "2020-01-01", "still to come")],
)
def test_a_hold_on_nobody_or_until_yesterday_is_not_proposed(
    as_role: SignedIn, shop: Shop, patient: str, until: str, says: str
) -> None:
    order = shop.place("device")
    answer = propose(as_role, patient.format(number=order.number), until=until)
    assert (answer.status_code, says in answer.content.decode()) == (422, True)
    assert not ProposedChange.objects.exists()


def test_pages_of_holds_show_the_audit_s_name_and_lead_to_it(as_role: SignedIn, shop: Shop) -> None:
    order, day = shop.place("device"), (timezone.now() + timedelta(days=9)).date().isoformat()
    propose(as_role, order.number, until=day)
    second_approves(shop.clinic)
    client = as_role(Role.PRIVACY)
    for page in (PAGE, f"{PAGE}{LegalHold.objects.get().pk}/change/"):
        body = client.get(page).content.decode()
        assert WHY in body
        assert order.offer.customer_key not in body
        assert order.number not in body
    address = body.partition('<a href="/admin/audit/')[2].partition('"')[0].replace("&amp;", "&")
    assert "order.placed" in client.get(f"/admin/audit/{address}").content.decode()


def test_certificates_are_read_and_changed_by_nobody(as_role: SignedIn, shop: Shop) -> None:
    PurgeCertificate.objects.create(
        organization=shop.clinic, rule="addresses", kept="shipping", rows=12, at=timezone.now()
    )
    client, pages = as_role(Role.PRIVACY), "/admin/disclosure/purgecertificate/"
    assert "addresses" in client.get(pages).content.decode()
    row = f"{pages}{PurgeCertificate.objects.get().pk}/change/"
    assert "12" in client.get(row).content.decode()
    assert client.post(row, {"rows": "1"}).status_code == 403
    assert as_role(Role.OPERATIONS).get(pages).status_code == 403


def test_the_words_of_law_are_switched_on_the_clinic_s_page(as_role: SignedIn, shop: Shop) -> None:
    page = f"/admin/accounts/organization/{shop.clinic.pk}/change/"
    client = as_role(Role.ADMINISTRATOR)
    body = client.get(page).content.decode()
    assert "What a patient reads" in body
    form = client.get(page).context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if value not in (None, False)}
    client.post(page, {**fields, "privacy_ccpa": "on", "privacy_gdpr": "on"})
    row = Organization.objects.get(pk=shop.clinic.pk)
    assert (row.privacy_ccpa, row.privacy_gdpr) == (True, True)
    changed = AuditEvent.objects.filter(action="organization.changed").latest("pk")
    assert set(changed.elements.split(",")) == {"privacy_ccpa", "privacy_gdpr"}
    assert as_role(Role.PRIVACY).post(page, fields).status_code == 403
