"""Settling what no machine can, in the back office: by those who may, in their name."""

import pytest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts.models import Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import watch
from ehrcommerce.outbox.models import Effect, Heartbeat, State
from ehrcommerce.policy.packets import PRESCRIPTION
from ehrcommerce.suppliers.ports import ChartNotPermitted
from tests.admin.conftest import SignedIn
from tests.commerce.shop import Shop

LIST = "admin:outbox_effect_changelist"


@pytest.fixture
def stuck(shop: Shop) -> Effect:
    """An order to the pharmacy that the EHR does not let us check."""
    shop.authorized(PRESCRIPTION)
    shop.chart.problem = ChartNotPermitted()
    shop.run("fulfillment.dispatch")
    effect = shop.effect("fulfillment.dispatch")
    assert effect.state == State.NEEDS_HUMAN
    return effect


def press(as_role: SignedIn, role: str, action: str, *effects: Effect) -> int:
    fields = {"action": action, "_selected_action": [each.pk for each in effects], "index": "0"}
    return as_role(role).post(reverse(LIST), fields).status_code


def close(as_role: SignedIn, role: str, effect: Effect, **fields: str) -> int:
    return as_role(role).post(reverse("admin:outbox_effect_close", args=[effect.pk]), fields).status_code


def test_an_operator_takes_it_and_the_page_says_who(as_role: SignedIn, stuck: Effect) -> None:
    assert press(as_role, Role.OPERATIONS, "take", stuck) == 302
    stuck.refresh_from_db()
    assert stuck.owner.startswith("user:")
    page = as_role(Role.ADMINISTRATOR).get(reverse(LIST)).content.decode()
    assert f"{Role.OPERATIONS}-" in page
    assert press(as_role, Role.OPERATIONS, "give_back", stuck) == 302
    stuck.refresh_from_db()
    assert stuck.owner == ""


def test_closing_ends_the_order_as_the_partners_no_would(as_role: SignedIn, shop: Shop, stuck: Effect) -> None:
    assert close(as_role, Role.OPERATIONS, stuck, ended="no", reason="asked_partner") == 302
    stuck.refresh_from_db()
    assert (stuck.state, stuck.code) == ("rejected", "closed_by_person")
    fulfillment = shop.fulfillment(stuck_order(shop))
    assert (fulfillment.state, fulfillment.reason) == ("refused", "closed_by_person")
    shop.run("payment.void")
    assert shop.payment(stuck_order(shop)).state == "voided", "the patient's money is let go"
    assert AuditEvent.objects.filter(action="effect.rejected", actor__startswith="user:").exists()


def test_they_have_it_says_the_phone(as_role: SignedIn, shop: Shop, stuck: Effect) -> None:
    page = as_role(Role.OPERATIONS).get(reverse("admin:outbox_effect_change", args=[stuck.pk])).content.decode()
    assert "Say how it ended" in page
    assert close(as_role, Role.OPERATIONS, stuck, ended="yes", reason="asked_partner") == 302
    stuck.refresh_from_db()
    assert stuck.state == "needs_human", "without the partner's number nothing is believed"
    close(as_role, Role.OPERATIONS, stuck, ended="yes", reason="asked_partner", reference="PH-77")
    fulfillment = shop.fulfillment(stuck_order(shop))
    assert (fulfillment.state, fulfillment.supplier_reference) == ("dispatched", "PH-77")


@pytest.mark.parametrize(
    "fields", [{}, {"ended": "no"}, {"reason": "asked_partner"}, {"ended": "maybe", "reason": "asked_partner"},
               {"ended": "no", "reason": "Cy has called"}]
)  # fmt: skip
def test_a_form_that_says_half_changes_nothing(as_role: SignedIn, stuck: Effect, fields: dict[str, str]) -> None:
    assert close(as_role, Role.OPERATIONS, stuck, **fields) == 302
    stuck.refresh_from_db()
    assert stuck.state == "needs_human"


@pytest.mark.parametrize("role", [Role.CATALOG, Role.PRIVACY, Role.INTEGRATION])
def test_others_may_look_and_not_press(as_role: SignedIn, stuck: Effect, role: str) -> None:
    assert close(as_role, role, stuck, ended="no", reason="asked_partner") == 403
    press(as_role, role, "take", stuck)
    press(as_role, role, "give_up", stuck)
    stuck.refresh_from_db()
    assert (stuck.state, stuck.owner) == ("needs_human", "")


def test_many_are_closed_at_once_and_each_is_in_the_audit(as_role: SignedIn, shop: Shop, stuck: Effect) -> None:
    others = Effect.objects.bulk_create(
        Effect(
            kind="offers.link", subject=f"link-{number}", organization_id=shop.clinic.pk, state=State.NEEDS_HUMAN,
            code="poison", created_at=timezone.now(), changed_at=timezone.now(),
        )
        for number in range(40)
    )  # fmt: skip
    before = AuditEvent.objects.filter(action="effect.rejected").count()
    assert press(as_role, Role.OPERATIONS, "give_up", *others) == 302
    assert Effect.objects.filter(kind="offers.link", state="rejected", code="closed_by_person").count() == 40
    assert AuditEvent.objects.filter(action="effect.rejected").count() == before + 40


def test_the_first_page_says_that_the_sweeper_stands_still(as_role: SignedIn, shop: Shop) -> None:
    Heartbeat.objects.all().delete()
    client = as_role(Role.OPERATIONS)
    assert "Not heard for a minute" in client.get(reverse("admin:index")).content.decode()
    watch.beat()
    assert "Not heard for a minute" not in client.get(reverse("admin:index")).content.decode()


def stuck_order(shop: Shop) -> Order:
    return Order.objects.get(organization_id=shop.clinic.pk)


def test_the_list_of_what_needs_a_person_opens_from_the_first_page(as_role: SignedIn, stuck: Effect) -> None:
    for role in (Role.SUPPORT, Role.OPERATIONS, Role.ADMINISTRATOR):
        page = as_role(role).get(f"{reverse(LIST)}?waits=person")
        assert page.status_code == 200
        assert "Order to the supplier" in page.content.decode()
        assert as_role(role).get(f"{reverse(LIST)}?body__startswith=x").status_code == 400, "what is not seen is not asked"
