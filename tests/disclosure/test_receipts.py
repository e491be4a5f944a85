"""One row for each recipient and payload, planned before it goes, moved forward only."""

from datetime import timedelta

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure import receipts
from ehrcommerce.disclosure.models import Disclosure, DisclosureState
from ehrcommerce.vault import walls
from tests.disclosure.conftest import AT

pytestmark = pytest.mark.django_db


def plan(clinic: Organization, digest: bytes = b"d" * 32, recipient: str = "supplier:a") -> Disclosure:
    return receipts.plan(
        organization_id=clinic.pk, customer_key="cy-key", subject="offer-1", purpose="dispensing", recipient=recipient,
        recipient_name="Lakeside Pharmacy", elements=["name", "directions", "name"], payload_digest=digest, at=AT,
    )  # fmt: skip


def test_the_same_payload_for_the_same_recipient_is_one_receipt(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        assert plan(clinic).pk == plan(clinic).pk
        assert plan(clinic, b"e" * 32).pk != plan(clinic).pk
        assert plan(clinic, recipient="supplier:b").pk != plan(clinic).pk
        assert AuditEvent.objects.filter(action="disclosure.planned").count() == 3
        assert [one.elements for one in receipts.of(clinic.pk, "offer-1")] == ["directions,name"] * 3
        assert receipts.of(clinic.pk, "offer-2") == []


def test_sent_is_said_once(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        row = plan(clinic)
        assert receipts.mark_sent(row, AT) == 1
        assert receipts.mark_sent([row.public_id], AT + timedelta(hours=1)) == 0
        row.refresh_from_db()
        assert (row.state, row.sent_at) == ("sent", AT)
        assert AuditEvent.objects.filter(action="disclosure.sent").count() == 1


def test_a_late_word_does_not_move_a_receipt_back(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        row = plan(clinic)
        assert receipts.mark([row], DisclosureState.RECALLED, AT) == 0
        assert receipts.mark([row], DisclosureState.ACKNOWLEDGED, AT) == 1
        assert receipts.mark_sent(row, AT) == 0
        assert receipts.mark(row, DisclosureState.RECALL_REFUSED, AT) == 1
        row.refresh_from_db()
        assert (row.state, row.sent_at) == ("recall_refused", AT)


def test_a_planned_payload_that_was_sent_is_not_planned_again(clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        receipts.mark_sent(plan(clinic), AT)
        assert plan(clinic).state == "sent"
