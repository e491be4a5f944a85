"""The needs-human queue: who looks after it, how a person ends it, and a database that is older than the world."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox import queue, services
from ehrcommerce.outbox.handlers import NATIVE_KEY, NONE
from ehrcommerce.outbox.models import Effect, Note
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, OutcomeUnknown, Refused
from tests.outbox.probe import OP, Probe, again, plan, run, soon


def stuck(clinic: Organization, probe: Probe) -> Effect:
    probe.can, probe.answers = NONE, [OutcomeUnknown("lost")]
    effect = run(plan(clinic))
    soon(effect)
    effect = run(effect)
    assert (effect.state, effect.code) == ("needs_human", "outcome_unknown")
    probe.settled.clear()
    return effect


def close(effect: Effect, *, happened: bool = False, reference: str = "", reason: str = "asked_partner") -> None:
    queue.close(effect, happened=happened, reason=reason, reference=reference, by=OP, at=timezone.now())


def test_somebody_takes_it_and_gives_it_back(clinic: Organization, probe: Probe) -> None:
    effect = stuck(clinic, probe)
    for _ in range(2):
        queue.assign(effect, to=str(OP), by=OP, at=timezone.now())
    assert again(effect).owner == "user:operator"
    queue.assign(effect, to="", by=OP, at=timezone.now())
    assert again(effect).owner == ""
    assert list(Note.objects.filter(effect=effect, actor=str(OP)).order_by("id").values_list("code", flat=True)) == [
        "assigned", "unassigned",
    ]  # fmt: skip
    assert AuditEvent.objects.filter(action="effect.assigned", actor=str(OP)).count() == 2


def test_a_person_says_that_it_did_not_happen(clinic: Organization, probe: Probe) -> None:  # REL-P32
    effect = stuck(clinic, probe)
    fence = effect.fence
    close(effect)
    ended = again(effect)
    assert (ended.state, ended.code, bytes(ended.body), ended.next_run_at) == (
        "rejected", "closed_by_person", b"", None,
    )  # fmt: skip
    assert probe.settled == [Refused("closed_by_person")]
    assert ended.fence > fence, "a late worker's result must be refused"
    assert AuditEvent.objects.filter(action="effect.rejected", actor=str(OP), reason="closed_by_person").exists()
    with pytest.raises(queue.NotInQueue):
        close(effect)
    assert probe.settled == [Refused("closed_by_person")], "twice is once"


def test_that_it_happened_is_only_taken_from_a_person_where_the_handler_can_say_what(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    effect = stuck(clinic, probe)
    with pytest.raises(queue.ReferenceMissing):
        close(effect, happened=True, reference="  ")
    with pytest.raises(queue.NotByHand):
        close(effect, happened=True, reference="THEIRS-7")
    assert again(effect).state == "needs_human"
    monkeypatch.setattr(probe, "by_hand", lambda effect, *, happened, reference: Done(reference), raising=False)
    close(effect, happened=True, reference=" THEIRS-7 ")
    assert (again(effect).state, again(effect).reference) == ("done", "THEIRS-7")


def test_what_nobody_waits_for_cannot_be_closed(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    with pytest.raises(queue.NotInQueue):
        close(effect)
    with pytest.raises(KeyError):
        close(effect, reason="because Cy said so")
    assert again(effect).state == "planned"


def test_where_the_rows_cannot_be_moved_nothing_is_closed(clinic: Organization, probe: Probe) -> None:
    effect = stuck(clinic, probe)
    probe.settle_fault = RuntimeError()
    with pytest.raises(RuntimeError):
        close(effect)
    assert again(effect).state == "needs_human"


# -- after a restore (REL-P34) ----------------------------------------------------------------------------------------
def restored(clinic: Organization) -> str:
    said = StringIO()
    call_command("after_restore", by="op", stdout=said)
    return said.getvalue()


def test_what_went_out_in_the_lost_hours_is_adopted_and_not_sent_again(clinic: Organization, probe: Probe) -> None:
    probe.can = NATIVE_KEY
    effect = plan(clinic)
    assert "1 open effects will be asked about first" in restored(clinic)
    probe.memory = [Done("theirs")]
    assert (run(effect).state, again(effect).reference) == ("done", "theirs")
    assert probe.sent == []


def test_what_the_partner_never_heard_of_is_sent_once(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    restored(clinic)
    assert run(effect).state == "done"
    assert len(probe.sent) == 1
    assert not again(effect).ask_first


def test_while_the_partner_cannot_say_nothing_is_sent(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    restored(clinic)
    probe.memory = [OutcomeUnknown("silent"), OutcomeUnknown("silent"), Done("theirs")]
    for _ in range(2):
        assert (run(effect).state, probe.sent) == ("planned", [])
        soon(effect)
    assert run(effect).state == "done"
    assert probe.sent == []


def test_a_partner_that_cannot_be_asked_is_a_persons_work_after_a_restore(clinic: Organization, probe: Probe) -> None:
    probe.can = NONE
    effect = plan(clinic)
    restored(clinic)
    assert (run(effect).state, again(effect).code, probe.sent) == ("needs_human", "restored_unknown", [])
    services.retry(effect, by=OP, at=timezone.now())
    assert (run(effect).state, probe.sent) == ("needs_human", []), "Retry alone does not send it blindly"
    close(effect)
    assert again(effect).state == "rejected"


def test_what_is_planned_after_the_restore_is_sent_as_ever(clinic: Organization, probe: Probe) -> None:
    restored(clinic)
    assert run(plan(clinic)).state == "done"
    assert len(probe.sent) == 1
    assert NeedsHuman("restored_unknown") not in probe.settled
