"""The registry of agreements: what counts as live, the way from draft to end, and the warnings ahead."""

import logging
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from ehrcommerce.accounts import agreements
from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox.chores import CHORES
from tests.factories import NOW, agreement, organization

PARTY = "supplier:1"
ADA = audit.system("test")
WHOLE = {"document_sha256": "ab" * 32, "breach_contact": "1-800-555-0199", "state": "draft", "services": "device"}


def live(clinic: Organization, service: str = "device", at: datetime = NOW) -> bool:
    return agreements.is_live(organization_id=clinic.pk, party=PARTY, service=service, at=at)


def actions(clinic: Organization) -> list[str]:
    rows = AuditEvent.objects.filter(organization_id=clinic.pk, action__startswith="agreement.").order_by("pk")
    return [f"{row.action} {row.reason}".strip() for row in rows]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"services": "device,kit"}, True),
        ({"services": "all"}, True),
        ({"services": "kit"}, False),
        ({"services": "devices"}, False),
        ({"services": ""}, False),
        ({"state": "draft"}, False),
        ({"state": "expired"}, False),
        ({"state": "ended"}, False),
        ({"effective": NOW.date() + timedelta(days=1)}, False),
        ({"expires": NOW.date()}, True),
        ({"expires": NOW.date() - timedelta(days=1)}, False),
    ],
)
def test_only_a_live_agreement_that_covers_the_service_counts(
    clinic: Organization, changes: dict[str, Any], counts: bool
) -> None:
    agreement(clinic, PARTY, **changes)
    assert live(clinic) is counts


def test_without_an_agreement_of_its_own_a_clinic_does_nothing(db: None) -> None:
    bare = organization(agreed=False)
    agreement(bare, PARTY)
    assert not live(bare)
    agreement(bare, "organization", services="device")
    assert live(bare)
    assert not live(bare, "kit")


def test_another_clinic_s_agreement_is_no_agreement(db: None) -> None:
    agreement(organization(), PARTY)
    assert not live(organization())


def test_a_refusal_is_named_and_written_down(clinic: Organization) -> None:
    with pytest.raises(agreements.NoAgreement) as refused:
        agreements.require(organization_id=clinic.pk, party=PARTY, service="device", at=NOW)
    assert type(refused.value.outcome).__name__ == "NeedsHuman"
    assert refused.value.outcome.code == "no_agreement"
    row = AuditEvent.objects.get(action="agreement.refused")
    assert (row.recipient, row.purpose, row.outcome) == (PARTY, "device", "refused")


@pytest.mark.parametrize("lacks", ["document_sha256", "breach_contact", "services"])
def test_what_is_not_complete_is_not_put_in_force(clinic: Organization, lacks: str) -> None:
    row = agreement(clinic, PARTY, **{**WHOLE, lacks: ""})
    with pytest.raises(agreements.NotComplete) as refused:
        agreements.activate(row, by=ADA, at=NOW)
    assert refused.value.fields == (lacks,)
    assert not live(clinic)


def test_from_draft_to_end_each_step_once_and_written_down(clinic: Organization) -> None:
    row = agreement(clinic, PARTY, **WHOLE)
    agreements.activate(row, by=ADA, at=NOW)
    assert live(clinic)
    with pytest.raises(agreements.NotInState):
        agreements.activate(row, by=ADA, at=NOW)
    agreements.end(row, by=ADA, at=NOW)
    assert not live(clinic)
    for step in (agreements.end, agreements.activate):
        with pytest.raises(agreements.NotInState):
            step(row, by=ADA, at=NOW)
    assert actions(clinic) == ["agreement.activated", "agreement.ended"]


def test_it_warns_sixty_thirty_and_seven_days_ahead_once_each(
    clinic: Organization, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ehrcommerce.accounts.agreements")
    ends = date(2027, 3, 1)
    row = agreement(clinic, PARTY, expires=ends)
    for left in (61, 60, 59, 31, 30, 29, 8, 7, 6, 1, 0, -1, -2):
        day = ends - timedelta(days=left)
        agreements.watch(clinic.pk, datetime(day.year, day.month, day.day, 12, tzinfo=NOW.tzinfo))
    warned = [f"agreement.ends_soon days:{days}" for days in (60, 30, 7)]
    assert actions(clinic) == [*warned, "agreement.expired"]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3 + ["ERROR"]
    assert PARTY not in caplog.text
    assert Agreement.objects.get(pk=row.pk).state == "expired"


def test_a_clock_that_stood_still_says_the_nearest_warning_only(clinic: Organization) -> None:
    agreement(clinic, PARTY, expires=NOW.date() + timedelta(days=5))
    assert [agreements.watch(clinic.pk, NOW) for _ in range(2)] == [1, 0]
    assert actions(clinic) == ["agreement.ends_soon days:7"]


def test_the_clock_knows_it() -> None:
    assert CHORES["watch agreements"].work is agreements.watch
