"""The clinic attests a yes to kits without asking: who, when, in which words; and takes one back for a patient."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.workbench.management import demo_rules
from tests import factories
from tests.admin.conftest import SignedIn
from tests.commerce.shop import Shop

ATTEST = "/admin/disclosure/consent/attest/"


@pytest.fixture
def said(shop: Shop) -> dict[str, Any]:
    order = shop.place("kit")
    return {
        "patient": order.number, "laboratory": shop.supplier("kit").pk, "language": "es",
        "on": (timezone.localdate() - timedelta(days=1)).isoformat(), "heard": "on", "key": order.offer.customer_key,
    }  # fmt: skip


def found(said: dict[str, Any]) -> list[Consent]:
    subject = consent.standing_subject(said["key"])
    return list(Consent.objects.select_related("text").filter(subject=subject))


def test_a_privacy_officer_records_who_heard_it_when_and_in_which_words(
    as_role: SignedIn, shop: Shop, said: dict[str, Any]
) -> None:
    client = as_role(Role.PRIVACY)
    page = client.get(ATTEST).content.decode()
    assert client.post(ATTEST, said).status_code == 302
    (yes,) = found(said)
    row = AuditEvent.objects.get(organization_id=shop.clinic.pk, action="consent.attested")
    assert (yes.attested_by, str(yes.attested_on), yes.identity_level) == (row.actor, said["on"], 0)
    assert yes.text.language == "es"
    assert yes.text.text.splitlines()[0] in page, "the words that were on the page"
    listed = client.get(reverse("admin:disclosure_consent_changelist")).content.decode()
    assert "The kit" in listed
    assert said["key"] not in listed


@pytest.mark.parametrize(("changes", "says"), [
    ({"heard": ""}, "This field is required"), ({"patient": "LK-NOBODY"}, "Nothing is known by this name."),
    ({"on": "2999-01-01"}, "Today, or a day before."),
])  # fmt: skip
def test_what_is_not_whole_is_not_recorded(
    as_role: SignedIn, said: dict[str, Any], changes: dict[str, str], says: str
) -> None:
    answer = as_role(Role.PRIVACY).post(ATTEST, {**said, **changes})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert found(said) == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.OPERATIONS, Role.FULFILLMENT, Role.CATALOG, Role.INTEGRATION])
def test_nobody_else_attests(as_role: SignedIn, said: dict[str, Any], role: str) -> None:
    assert as_role(role).post(ATTEST, said).status_code == 403
    assert found(said) == []


def test_it_is_taken_back_for_a_patient_who_says_so(as_role: SignedIn, said: dict[str, Any]) -> None:
    client = as_role(Role.PRIVACY)
    client.post(ATTEST, said)
    (yes,) = found(said)
    client.post(reverse("admin:disclosure_consent_changelist"), {"action": "take_back", "_selected_action": [yes.pk]})
    assert found(said)[0].withdrawn_at is not None


@pytest.mark.parametrize("who", ["The front desk", "user:nobody", "user:"])
def test_who_attested_is_read_whatever_stands_there(as_role: SignedIn, shop: Shop, said: dict[str, Any], who: str) -> None:
    client = as_role(Role.PRIVACY)
    client.post(ATTEST, said)
    Consent.objects.filter(pk=found(said)[0].pk).update(attested_by=who)
    listed = client.get(reverse("admin:disclosure_consent_changelist"))
    assert (listed.status_code, who in listed.content.decode()) == (200, True)


def test_each_page_opens_on_what_the_demo_lets_happen_by_itself(as_role: SignedIn, shop: Shop) -> None:
    demo_rules.automate(factories.ehr_connection(shop.clinic), shop.supplier("kit"), at=timezone.now())
    client = as_role(Role.ADMINISTRATOR)
    opened = {
        address: client.get(address).status_code
        for name in ("disclosure_consent", "ehr_automationrule", "accounts_user", "catalog_product")
        for listed in [reverse(f"admin:{name}_changelist")]
        for address in [listed, *sorted(set(re.findall(rf'{listed}[^/"]+/change/', client.get(listed).content.decode())))]
    }
    assert len(opened) > 8
    assert set(opened.values()) == {200}
