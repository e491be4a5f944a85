"""What an app registers is erased by the clock, each on its own, with a row that says so."""

from datetime import datetime

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.disclosure import retention
from ehrcommerce.outbox import chores
from ehrcommerce.vault import walls
from tests.disclosure.conftest import AT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RULES", {})
    monkeypatch.setattr(chores, "CHORES", {})


def test_an_eraser_becomes_a_chore_of_its_own(clinic: Organization) -> None:
    seen: list[tuple[int, datetime]] = []

    def erase(organization_id: int, at: datetime) -> int:
        seen.append((organization_id, at))
        return 3

    retention.register("contacts", erase)
    chore = chores.CHORES["retention.contacts"]
    with walls.organization(clinic.pk):
        assert chore.work(clinic.pk, AT) == 3
        event = AuditEvent.objects.get()
    assert chore.every_s == 3600
    assert seen == [(clinic.pk, AT)]
    assert (event.action, event.entity, event.reason) == ("retention.erased", "retention:contacts", "rows:3")


def test_nothing_due_leaves_no_row(clinic: Organization) -> None:
    retention.register("nothing", lambda organization_id, at: 0)
    with walls.organization(clinic.pk):
        assert retention.run(clinic.pk, AT) == 0
        assert not AuditEvent.objects.exists()


def test_one_that_fails_does_not_keep_another_waiting(clinic: Organization) -> None:
    def broken(organization_id: int, at: datetime) -> int:
        raise LookupError

    retention.register("a", broken)
    retention.register("b", lambda organization_id, at: 1)
    with walls.organization(clinic.pk):
        with pytest.raises(LookupError):
            chores.CHORES["retention.a"].work(clinic.pk, AT)
        assert chores.CHORES["retention.b"].work(clinic.pk, AT) == 1
