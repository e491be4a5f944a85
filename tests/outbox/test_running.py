"""The promise of the outbox: each act is a row first, runs in one hand, is asked about before it is repeated, and
always ends in a name (REL section 1.3)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox import services
from ehrcommerce.outbox.handlers import LOOKUP, NATIVE_KEY, NONE
from ehrcommerce.outbox.models import POISON_AFTER, Effect, Note
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.wire.errors import NotSent, Unanswered
from tests.outbox.probe import Probe, again, plan, run, soon


# -- one row, one hand ------------------------------------------------------------------------------------------------
def test_the_same_act_planned_twice_is_one_row(clinic: Organization, probe: Probe) -> None:
    assert plan(clinic, "s").pk == plan(clinic, "s").pk


def test_planned_in_a_transaction_that_fails_was_never_planned(clinic: Organization, probe: Probe) -> None:
    def act() -> None:
        with transaction.atomic():
            plan(clinic, "gone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act()
    assert not Effect.objects.filter(subject="gone").exists()


def test_the_bell_rings_after_the_commit(clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[tuple[str, str]] = []
    monkeypatch.setattr("ehrcommerce.outbox.doorbell.ring", lambda effect_id, queue: rung.append((effect_id, queue)))
    with transaction.atomic():
        effect = plan(clinic)
        assert rung == []
    assert rung == [(str(effect.public_id), "partner")]
    plan(clinic, run_at=timezone.now() + timedelta(hours=1))
    plan(clinic, ring=False)
    assert len(rung) == 1


def test_done_is_done(clinic: Organization, probe: Probe) -> None:
    effect = run(plan(clinic))
    assert (effect.state, effect.reference, effect.next_run_at, bytes(effect.body)) == ("done", "ref", None, b"")
    assert services.run(str(effect.public_id)) == ""
    assert len(probe.sent) == len(probe.settled) == 1
    assert AuditEvent.objects.filter(entity=f"effect:{effect.public_id}", action="effect.done").count() == 1


def test_ten_hands_at_once_do_it_once(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)

    def hand(_: int) -> str:
        try:
            return services.run(str(effect.public_id))
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        ended = list(pool.map(hand, range(10)))
    assert sorted(ended) == [""] * 9 + ["done"]
    assert len(probe.sent) == 1


def test_a_forged_or_foreign_bell_does_nothing(clinic: Organization, probe: Probe) -> None:  # REL-F38
    assert services.run(str(uuid4())) == ""
    effect = plan(clinic, run_at=timezone.now() + timedelta(hours=1))
    assert services.run(str(effect.public_id)) == ""
    assert probe.sent == []


def test_a_frozen_worker_that_wakes_is_refused(clinic: Organization, probe: Probe) -> None:  # REL-P8
    effect = plan(clinic)
    probe.go_on.clear()

    def frozen() -> str:
        try:
            return services.run(str(effect.public_id))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(frozen)
        assert probe.while_sending.wait(10)
        soon(effect)  # its lease ends while it is frozen
        probe.memory = [Done("adopted")]
        assert run(effect).state == "done"
        probe.go_on.set()
        assert late.result(10) == "done"
    assert again(effect).reference == "adopted"
    assert len(probe.settled) == 1


# -- what is unknown is asked about -----------------------------------------------------------------------------------
@pytest.mark.parametrize("lost", [Unanswered("p"), OutcomeUnknown("partner_failed")])
def test_unknown_asks_first(clinic: Organization, probe: Probe, lost: Outcome | Exception) -> None:
    probe.answers, probe.memory = [lost], [Done("found")]
    effect = run(plan(clinic))
    assert (effect.state, bytes(effect.body)) == ("unknown", b"the act")
    assert effect.next_run_at is not None
    soon(effect)
    assert run(effect).reference == "found"
    assert len(probe.sent) == 1


def test_what_surely_did_not_happen_is_sent_again_under_the_same_key(clinic: Organization, probe: Probe) -> None:
    probe.answers = [Unanswered("p")]
    effect = run(plan(clinic))
    for _ in range(2):
        soon(effect)
        effect = run(effect)
    assert effect.state == "done"
    assert len({key for key, _ in probe.sent}) == 1
    assert len(probe.sent) == 2


def test_other_bytes_never_travel_under_an_old_key(clinic: Organization, probe: Probe) -> None:
    probe.answers = [Unanswered("p")]
    effect = run(plan(clinic, "s"))
    taken = services.plan(
        kind=Probe.kind, subject="s", organization_id=clinic.pk, at=timezone.now(), generation=2,
        run_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    soon(effect)
    effect = run(effect)
    probe.bytes = b"another act"
    soon(effect)
    effect = run(effect)
    (first, second) = probe.sent
    assert first[0] != second[0]
    assert effect.generation == 3 != taken.generation


def test_a_partner_that_absorbs_repetition_gets_the_same_bytes(clinic: Organization, probe: Probe) -> None:
    probe.can, probe.answers = NATIVE_KEY, [Unanswered("p")]
    effect = run(plan(clinic))
    probe.bytes = b"never sent"
    soon(effect)
    assert run(effect).state == "done"
    assert probe.sent[0] == probe.sent[1]


def test_a_partner_that_cannot_be_asked_is_a_persons_work(clinic: Organization, probe: Probe) -> None:
    probe.can, probe.answers = NONE, [Unanswered("p")]
    effect = run(plan(clinic))
    soon(effect)
    effect = run(effect)
    assert (effect.state, effect.code) == ("needs_human", "outcome_unknown")
    assert len(probe.sent) == 1


def test_a_worker_that_died_while_sending_left_an_unknown(clinic: Organization, probe: Probe) -> None:  # REL-F4
    effect = plan(clinic)
    Effect.objects.filter(pk=effect.pk).update(state="sending", lease_until=timezone.now() - timedelta(seconds=1))
    probe.memory = [Done("found")]
    assert run(effect).reference == "found"
    assert probe.sent == []


def test_a_question_that_gets_no_answer_is_asked_again(clinic: Organization, probe: Probe) -> None:
    probe.answers, probe.memory = [Unanswered("p")], [NotSent("p"), Unanswered("p"), Done()]
    effect = run(plan(clinic))
    for state in ("unknown", "unknown", "done"):
        soon(effect)
        effect = run(effect)
        assert effect.state == state


# -- waiting, and not for ever ----------------------------------------------------------------------------------------
def test_a_partner_that_was_not_reached_is_tried_again_later_and_later(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    for tries in range(1, 9):
        probe.answers = [NotSent("p")]
        soon(effect)
        effect = run(effect)
        wait = (effect.next_run_at - timezone.now()).total_seconds() if effect.next_run_at else 0
        assert effect.state == "planned"
        assert 0 < wait <= min(900, 2 * 2**tries)
    assert effect.attempt == 0  # an outage is no poison


def test_the_partners_own_wish_is_honored(clinic: Organization, probe: Probe) -> None:
    for wish, least, most in ((60.0, 55, 60), (1e12, 890, 900), (-5.0, -1, 0)):
        probe.answers = [TryAgain("busy", after_s=wish)]
        effect = run(plan(clinic))
        wait = (effect.next_run_at - timezone.now()).total_seconds() if effect.next_run_at else 0
        assert least <= wait <= most


def test_a_deadline_ends_what_never_began(clinic: Organization, probe: Probe) -> None:
    effect = run(plan(clinic, deadline_at=timezone.now() - timedelta(seconds=1)))
    assert (effect.state, effect.code) == ("needs_human", "deadline")
    assert probe.sent == []


def test_a_deadline_does_not_end_what_may_have_happened(clinic: Organization, probe: Probe) -> None:
    probe.answers, probe.memory = [Unanswered("p")], [Done("found")]
    effect = run(plan(clinic, deadline_at=timezone.now() + timedelta(seconds=5)))
    Effect.objects.filter(pk=effect.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    soon(effect)
    assert run(effect).reference == "found"


@pytest.mark.parametrize("end", [Refused("no"), NeedsHuman("look"), TryAgain("wait", after_s=9)])
def test_a_halt_before_the_call_sends_nothing(clinic: Organization, probe: Probe, end: Outcome) -> None:
    state = {"Refused": "rejected", "NeedsHuman": "needs_human", "TryAgain": "planned"}[type(end).__name__]
    probe.halt = end
    assert run(plan(clinic)).state == state
    probe.halt, probe.unwanted = None, end
    assert run(plan(clinic)).state == state
    assert probe.sent == []


def test_every_open_effect_has_a_time_at_which_somebody_looks(clinic: Organization, probe: Probe) -> None:  # REL-P31
    effect = plan(clinic)
    with pytest.raises(Exception, match="effect_open_has_next_run"), transaction.atomic():
        Effect.objects.filter(pk=effect.pk).update(next_run_at=None)


# -- faults of the program --------------------------------------------------------------------------------------------
def test_a_job_that_raises_is_parked_after_five(clinic: Organization, probe: Probe) -> None:  # REL-P30
    effect = plan(clinic)
    for _ in range(POISON_AFTER):
        probe.answers = [RuntimeError("Cy Rivera, born 1980")]
        probe.memory = [RuntimeError("Cy Rivera, born 1980")]
        soon(effect)
        with pytest.raises(RuntimeError):
            run(effect)
    soon(effect)
    effect = run(effect)
    assert (effect.state, effect.code) == ("needs_human", "poison")
    notes = " ".join(Note.objects.filter(effect=effect).values_list("code", flat=True))
    assert "fault:RuntimeError" in notes
    assert "Rivera" not in notes


def test_a_job_that_kills_its_worker_is_parked_after_five(clinic: Organization, probe: Probe) -> None:  # REL-F45
    effect = plan(clinic)
    for _ in range(POISON_AFTER):
        soon(effect)
        assert services.claim(str(effect.public_id)) is not None  # and the process is gone
    soon(effect)
    assert run(effect).code == "poison"


def test_even_the_parking_may_fail_and_it_is_parked(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    probe.settle_fault = RuntimeError("the rows cannot be moved")
    probe.memory = [Done() for _ in range(POISON_AFTER)]
    for _ in range(POISON_AFTER + 1):
        soon(effect)
        with pytest.raises(RuntimeError):
            run(effect)
    effect = again(effect)
    assert (effect.state, effect.code, effect.next_run_at) == ("needs_human", "poison", None)


def test_a_kind_that_nobody_knows_waits_for_a_person(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    Effect.objects.filter(pk=effect.pk).update(kind="test.forgotten")
    effect = run(effect)
    assert (effect.state, effect.code) == ("needs_human", "unknown_kind")


# -- what is slow is not lost -----------------------------------------------------------------------------------------
def test_never_heard_of_it_is_not_believed_before_the_settle_time(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SETTLE_S", 60)
    monkeypatch.setattr(probe, "ask", probe.missing)
    probe.answers = [Unanswered("p")]
    effect = run(plan(clinic))
    for _ in range(3):
        Effect.objects.filter(pk=effect.pk).update(next_run_at=timezone.now())
        effect = run(effect)
        assert (effect.state, effect.code, len(probe.sent)) == ("unknown", "not_found_yet", 1)
    soon(effect, 61)  # the doubt kept its age while it was asked about
    assert run(effect).code == "not_found"


def test_a_question_is_asked_soon_and_once_more_when_it_can_be_believed(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SETTLE_S", 60)
    probe.answers, probe.memory = [Unanswered("p")], [OutcomeUnknown("later")] * 20
    effect = run(plan(clinic))
    in_doubt_since = effect.changed_at
    for _ in range(20):
        assert effect.next_run_at is not None
        assert effect.next_run_at <= in_doubt_since + timedelta(seconds=62)
        Effect.objects.filter(pk=effect.pk).update(next_run_at=timezone.now())
        effect = run(effect)


def test_a_partner_that_absorbs_repetition_gets_none_while_the_first_is_on_its_way(
    clinic: Organization, probe: Probe
) -> None:
    probe.can, probe.answers = NATIVE_KEY, [Unanswered("p")]
    effect = run(plan(clinic))
    Effect.objects.filter(pk=effect.pk).update(next_run_at=timezone.now())
    assert (run(effect).code, len(probe.sent)) == ("on_its_way", 1)


def test_the_call_gets_a_whole_lease(clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    effect = plan(clinic)

    def slow_reads(of: Effect) -> bytes:
        Effect.objects.filter(pk=of.pk).update(lease_until=timezone.now() + timedelta(seconds=1))
        return b"the act"

    def send(of: Effect, body: bytes) -> Outcome:
        lease = again(of).lease_until
        assert lease is not None
        assert lease > timezone.now() + timedelta(seconds=50)
        return Done()

    monkeypatch.setattr(probe, "prepare", slow_reads)
    monkeypatch.setattr(probe, "send", send)
    assert run(effect).state == "done"


# -- what is in doubt ends too ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("can", [LOOKUP, NATIVE_KEY])
def test_a_doubt_past_its_deadline_is_asked_about_once_and_given_up(
    clinic: Organization, probe: Probe, can: str
) -> None:
    probe.can, probe.answers, probe.memory = can, [Unanswered("p")], [TryAgain("not_found")]
    effect = run(plan(clinic, deadline_at=timezone.now() + timedelta(seconds=5)))
    Effect.objects.filter(pk=effect.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    soon(effect)
    effect = run(effect)
    assert (effect.state, effect.code) == ("needs_human", "outcome_unknown")
    assert (len(probe.sent), probe.memory) == (1, [])


def test_what_is_not_wanted_any_more_is_asked_about_and_not_sent_again(clinic: Organization, probe: Probe) -> None:
    probe.can, probe.answers, probe.memory = NATIVE_KEY, [Unanswered("p")], [Done("found")]
    effect = run(plan(clinic))
    probe.unwanted = Refused("not_wanted")
    soon(effect)
    assert run(effect).reference == "found"
    assert len(probe.sent) == 1


def test_a_second_send_that_does_not_arrive_says_nothing_of_the_first(clinic: Organization, probe: Probe) -> None:
    probe.can, probe.answers = NATIVE_KEY, [Unanswered("p"), NotSent("p")]
    effect = run(plan(clinic))
    soon(effect)
    assert run(effect).state == "unknown"


def test_an_act_that_ends_is_not_joined_by_what_its_rows_plan(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(effect: Effect, outcome: Outcome) -> None:
        services.plan_next(kind=Probe.kind, subject="t", organization_id=clinic.pk, at=timezone.now())

    monkeypatch.setattr(probe, "settle", settle)
    first = run(plan(clinic, "t"))
    following = Effect.objects.filter(organization_id=clinic.pk, subject="t").latest("pk")
    assert (first.state, following.state, following.generation) == ("done", "planned", 2)


def test_the_last_look_sees_the_bytes_that_go_out(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(probe, "still_wanted", lambda effect: seen.append(bytes(effect.body)))
    run(plan(clinic))
    assert seen == [b"the act"]
