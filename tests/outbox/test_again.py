"""The operator's button, the same act once more, and the clock that finds what no bell announced."""

from datetime import timedelta
from typing import ClassVar

import pytest
from django.core.management import call_command
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox import services
from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY
from ehrcommerce.outbox.models import Effect, Note
from ehrcommerce.outbox.outcomes import Done, NeedsHuman
from ehrcommerce.vault import walls
from tests.outbox.probe import OP, Probe, again, plan, run, soon


# -- the operator's button --------------------------------------------------------------------------------------------
def test_retry_of_what_never_went_out_plans_it_again(clinic: Organization, probe: Probe) -> None:
    probe.halt = NeedsHuman("look")
    effect = run(plan(clinic))
    probe.halt = None
    for _ in range(2):
        services.retry(effect, by=OP, at=timezone.now())  # REL-F66: two presses are one
    assert run(effect).state == "done"
    assert len(probe.sent) == 1
    assert Note.objects.filter(effect=effect, code="retry", actor="user:operator").count() == 2


@pytest.mark.parametrize("can", [LOOKUP, NATIVE_KEY])
def test_retry_of_what_may_have_happened_asks_first(clinic: Organization, probe: Probe, can: str) -> None:
    probe.can, probe.answers = can, [NeedsHuman("not_authorized")]
    effect = run(plan(clinic))
    services.retry(effect, by=OP, at=timezone.now())
    assert again(effect).state == "unknown"
    soon(effect)
    probe.memory = [Done("found")]
    assert run(effect).state == "done"
    assert len(set(probe.sent)) == 1


def test_what_has_ended_cannot_be_retried(clinic: Organization, probe: Probe) -> None:
    effect = run(plan(clinic))
    with pytest.raises(services.NotRetryable):
        services.retry(effect, by=OP, at=timezone.now())


# -- once more --------------------------------------------------------------------------------------------------------
class TestNext:
    """plan_next: the same act once more."""

    kind: ClassVar[str] = Probe.kind

    def next(self, clinic: Organization, *, even_if_running: bool = False) -> Effect:
        return services.plan_next(
            kind=self.kind, subject="n", organization_id=clinic.pk, at=timezone.now(), even_if_running=even_if_running
        )

    def test_joins_the_one_that_waits_and_brings_it_forward(self, clinic: Organization, probe: Probe) -> None:
        first = plan(clinic, "n", run_at=timezone.now() + timedelta(hours=1))
        assert self.next(clinic).pk == first.pk
        assert run(first).state == "done"

    def test_follows_the_one_that_ended(self, clinic: Organization, probe: Probe) -> None:
        first = run(self.next(clinic))
        second = self.next(clinic)
        assert (second.pk != first.pk, second.generation) == (True, 2)

    @pytest.mark.parametrize("state", ["sending", "unknown", "needs_human"])
    def test_waits_for_the_one_that_is_not_settled(self, clinic: Organization, probe: Probe, state: str) -> None:
        first = self.next(clinic)
        Effect.objects.filter(pk=first.pk).update(state=state)
        assert self.next(clinic).pk == first.pk
        assert self.next(clinic, even_if_running=True).generation == 2


# -- the sweeper ------------------------------------------------------------------------------------------------------
def swept(clinic: Organization, found: list[Effect], threads: int) -> list[str]:
    """How these ended. A round takes a batch of what is due, whosever it is: other tests may have left some that come first."""
    for _ in range(20):
        walls.leave()
        call_command("sweeper", once=True, grace=0.0, threads=threads)
        walls.enter(clinic.pk)
        states = [again(effect).state for effect in found]
        if "planned" not in states:
            break
    return sorted(states)


def test_the_sweeper_finds_what_no_bell_announced(clinic: Organization, probe: Probe) -> None:  # REL-F3, REL-F37
    found = [plan(clinic) for _ in range(3)]
    early = plan(clinic, run_at=timezone.now() + timedelta(hours=1))
    assert swept(clinic, found, threads=2) == ["done"] * 3
    assert again(early).state == "planned"
    assert AuditEvent.objects.filter(organization_id=clinic.pk, seal_number=None).count() == 0  # its chore: sealing


def test_one_broken_effect_does_not_stop_the_clock(clinic: Organization, probe: Probe) -> None:
    probe.answers = [RuntimeError("x")]
    found = [plan(clinic) for _ in range(4)]
    assert swept(clinic, found, threads=1) == ["done", "done", "done", "unknown"]
