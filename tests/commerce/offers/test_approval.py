"""A clinic may want a prescriber to send what others prepare: a draft sends nothing, opens nothing, takes no link's place, ends
by itself, and gives way to the prescriber's own Send."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.accounts.models import Approval, Role
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.offers import links, services
from ehrcommerce.commerce.offers.models import LinkState, PurchaseLink
from ehrcommerce.commerce.offers.tokens import token_of
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from tests.commerce.offers.test_links import line, made
from tests.commerce.shop import Shop


def send(shop: Shop, item: services.NewLine) -> PurchaseLink:
    """The same order of the chart each time."""
    return made(shop, item)


def wants(shop: Shop, approval: str, role: str = Role.CLINICIAN) -> None:
    type(shop.clinic).objects.filter(pk=shop.clinic.pk).update(approval=approval)
    type(shop.ada).objects.filter(pk=shop.ada.pk).update(role=role)
    shop.ada = type(shop.ada).objects.select_related("organization").get(pk=shop.ada.pk)


@pytest.mark.parametrize(("approval", "role", "kind", "state"), [
    (Approval.NONE, Role.CLINICIAN, PRESCRIPTION, "sent"), (Approval.PRESCRIPTIONS, Role.CLINICIAN, PRESCRIPTION, "draft"),
    (Approval.PRESCRIPTIONS, Role.CLINICIAN, DEVICE, "sent"), (Approval.EVERYTHING, Role.CLINICIAN, DEVICE, "draft"),
    (Approval.EVERYTHING, Role.PRESCRIBER, PRESCRIPTION, "sent"),
])  # fmt: skip
def test_what_waits_is_what_the_clinic_wants(shop: Shop, approval: str, role: str, kind: str, state: str) -> None:
    wants(shop, approval, role)
    link = send(shop, line(shop, kind))
    assert link.state == state
    assert Effect.objects.filter(kind="offers.link", subject=str(link.public_id)).exists() is (state == "sent")


def test_a_draft_opens_nothing_and_takes_no_links_place(shop: Shop) -> None:
    item = line(shop)
    wants(shop, Approval.NONE)
    live = send(shop, item)
    wants(shop, Approval.EVERYTHING)
    draft = send(shop, item)
    assert (draft.sent_at, links.look(token_of(draft))) == (None, None)
    live.refresh_from_db()
    assert live.state == LinkState.SENT
    assert AuditEvent.objects.filter(action="offer.drafted", entity=f"offer:{draft.offer.public_id}").exists()


def test_the_prescribers_own_send_takes_its_place(shop: Shop) -> None:
    wants(shop, Approval.EVERYTHING)
    item = line(shop)
    first, second = send(shop, item), send(shop, item)
    wants(shop, Approval.EVERYTHING, Role.PRESCRIBER)
    sent = send(shop, item)
    found = dict(PurchaseLink.objects.values_list("pk", "state"))
    assert [found[each.pk] for each in (first, second, sent)] == ["superseded", "superseded", "sent"]


def test_a_draft_that_nobody_sends_ends_with_its_days(shop: Shop) -> None:
    wants(shop, Approval.EVERYTHING)
    draft = send(shop, line(shop))
    assert links.expire_due(shop.clinic.pk, timezone.now()) == 0
    assert links.expire_due(shop.clinic.pk, timezone.now() + timedelta(days=shop.clinic.link_days, minutes=1)) == 1
    draft.refresh_from_db()
    found = links.look(token_of(draft))
    assert found is not None
    assert (draft.state, found.page) == (LinkState.EXPIRED, "expired")


@pytest.mark.parametrize("act", ["resend", "remind"])
def test_a_draft_goes_out_in_no_other_way(shop: Shop, act: Any) -> None:
    from ehrcommerce.commerce.offers import reminders

    wants(shop, Approval.EVERYTHING)
    draft = send(shop, line(shop))
    PurchaseLink.objects.filter(pk=draft.pk).update(created_at=timezone.now() - timedelta(days=2))
    if act == "resend":
        assert not services.resend(link=draft, by=shop.ada, at=timezone.now())
    else:
        assert reminders.remind_due(shop.clinic.pk, timezone.now()) == 0
    assert not Effect.objects.filter(kind="offers.link").exists()
