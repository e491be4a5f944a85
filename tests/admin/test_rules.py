"""Automation rules in the back office: written switched off, tried on last week, switched on by two people, undone by
operations. [SEC-B11]"""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import ProposedChange, Role
from ehrcommerce.ehr.models import AutomaticAct, AutomationRule
from ehrcommerce.outbox.models import Effect
from tests import factories
from tests.admin.conftest import SignedIn
from tests.commerce.shop import Shop

FIELDS: dict[str, Any] = {
    "name": "Masks", "place": 10, "action": "link", "kind": "device", "skus": "", "npis": "", "connection": "",
    "clinician": "", "hold_minutes": 15, "routing_proof": "",
}  # fmt: skip


def rule(shop: Shop, **changes: Any) -> AutomationRule:
    fields = {"name": "Masks", "kind": "device", "action": "link", "created_at": timezone.now(), **changes}
    return AutomationRule.objects.create(organization=shop.clinic, **fields)


def page(row: AutomationRule, name: str = "change") -> str:
    return reverse(f"admin:ehr_automationrule_{name}", args=[row.pk])


def test_one_person_writes_a_rule_and_another_one_switches_it_on(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.ADMINISTRATOR)
    answer = client.post(reverse("admin:ehr_automationrule_add"), {**FIELDS, "enabled": "on"})
    assert answer.status_code == 302
    row = AutomationRule.objects.get(organization=shop.clinic)
    assert (row.enabled, row.since) == (False, None)
    change = ProposedChange.objects.get(kind="automation_rule")
    told = {name: new for name, _, new in change.diff}
    assert told["Hold, in minutes"] == "15"
    assert told["last week it would have"] == "prepared 0, sent 0 links, shipped 0 kits"
    other = factories.staff(shop.clinic, username=f"second-{shop.clinic.pk}", password="correct horse battery staple")
    at = timezone.now()
    with pytest.raises(approvals.NeedsAnother):
        approvals.approve(change=change, by=change.proposed_by, at=at)
    approvals.approve(change=change, by=other, at=at)
    row.refresh_from_db()
    assert (row.enabled, row.since) == (True, at)


def test_what_was_changed_after_the_proposal_is_not_approved(as_role: SignedIn, shop: Shop) -> None:
    client = as_role(Role.ADMINISTRATOR)
    client.post(reverse("admin:ehr_automationrule_add"), {**FIELDS, "enabled": "on"})
    row = AutomationRule.objects.get(organization=shop.clinic)
    client.post(page(row), {**FIELDS, "hold_minutes": 0})
    second = factories.staff(shop.clinic, username=f"second-{shop.clinic.pk}", password="correct horse battery staple")
    with pytest.raises(approvals.RowChanged):
        approvals.approve(change=ProposedChange.objects.get(kind="automation_rule"), by=second, at=timezone.now())
    row.refresh_from_db()
    assert (row.enabled, row.hold_minutes) == (False, 0)


def test_a_rule_that_is_on_keeps_its_criteria_and_is_switched_off_by_one(as_role: SignedIn, shop: Shop) -> None:
    row = rule(shop, enabled=True, since=timezone.now())
    client = as_role(Role.ADMINISTRATOR)
    client.post(page(row), {**FIELDS, "enabled": "on", "hold_minutes": 0, "kind": "kit", "name": "New name"})
    row.refresh_from_db()
    assert (row.enabled, row.hold_minutes, row.kind, row.name) == (True, 15, "device", "New name")
    client.post(page(row), {"name": "New name"})
    row.refresh_from_db()
    assert not row.enabled


@pytest.mark.parametrize(("given", "says"), [
    ({"skus": "NO-SUCH"}, "No product of the catalog is called NO-SUCH."), ({"skus": "N?"}, "No product"),
    ({"npis": "123"}, "An NPI has ten digits."), ({"action": "kit"}, "Only specimen kits"),
    ({"hold_minutes": 20000}, "less than or equal to"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_sentence(
    as_role: SignedIn, shop: Shop, given: dict[str, Any], says: str
) -> None:
    answer = as_role(Role.ADMINISTRATOR).post(reverse("admin:ehr_automationrule_add"), {**FIELDS, **given})
    assert says in answer.content.decode()
    assert not AutomationRule.objects.filter(organization=shop.clinic).exists()


def counts() -> dict[str, int]:
    from django.apps import apps

    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models() if model.__module__.startswith("ehrcommerce.")
    }  # fmt: skip


def test_the_dry_run_counts_last_week_and_changes_nothing(as_role: SignedIn, shop: Shop) -> None:
    shop.place("device")
    shop.place("kit")
    old = shop.place("device")
    type(old.offer).objects.filter(pk=old.offer.pk).update(created_at=timezone.now() - timedelta(days=8))
    row = rule(shop, clinician=shop.ada)
    client, reads = as_role(Role.ADMINISTRATOR), shop.chart.reads
    before = counts()
    answer = client.get(page(row, "dry_run"))
    assert counts() == before
    assert shop.chart.reads == reads
    words = answer.content.decode()
    assert "<td>sent a link</td><td>1</td>" in words
    assert "<td>shipped a kit without asking</td><td>0</td>" in words
    assert Effect.objects.filter(organization_id=shop.clinic.pk, kind="ehr.automatic").count() == 0


def test_the_dry_run_says_where_a_person_would_be_asked(as_role: SignedIn, shop: Shop) -> None:
    shop.place("kit")
    row = rule(shop, kind="kit", action="kit", clinician=shop.ada)
    words = as_role(Role.ADMINISTRATOR).get(page(row, "dry_run")).content.decode()
    assert "<td>sent a link</td><td>1</td>" in words
    assert "The patient has not agreed to kits without asking." in words
    row = rule(shop, name="Nobody")
    shop.place("device")
    words = as_role(Role.ADMINISTRATOR).get(page(row, "dry_run")).content.decode()
    assert "<td>prepared it for the clinician</td><td>1</td>" in words


def test_operations_undo_what_waits(as_role: SignedIn, shop: Shop) -> None:
    act = AutomaticAct.objects.create(
        organization=shop.clinic, rule=rule(shop), connection=factories.ehr_connection(shop.clinic), customer_key="k",
        order_key="k", version="1", digest=b"d" * 32, action="link", state="waiting", made_at=timezone.now(),
        due_at=timezone.now() + timedelta(minutes=15),
    )  # fmt: skip
    as_role(Role.OPERATIONS).post(
        reverse("admin:ehr_automaticact_changelist"), {"action": "undo", "_selected_action": [act.pk]}
    )
    act.refresh_from_db()
    assert act.state == "undone"
    assert act.ended_by.startswith("user:")
