"""A clinic that plans thousands of effects takes its own turns and nobody else's: counted by the order in which work is
taken, not by time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from ehrcommerce.accounts.models import Organization
from ehrcommerce.outbox import turns
from ehrcommerce.outbox.management.commands.sweeper import AHEAD, Hands, hang_up, sweep
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.outbox.tasks import run_effect
from ehrcommerce.vault import walls
from tests import factories
from tests.outbox.probe import Probe, plan

FLOOD, FEW = 40, 3


@pytest.fixture
def quiet(clinic: Organization) -> Iterator[Organization]:
    """Bo's clinic, which has three effects. Its walls are not entered."""
    made = factories.organization()
    walls.enter(clinic.pk)
    yield made
    walls.enter(made.pk)
    Effect.objects.filter(state__in=OPEN).update(state="rejected", next_run_at=None)


@pytest.fixture
def order(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Whose effects were sent, one after the other."""
    said: list[int] = []
    real = probe.prepare

    def prepare(effect: Effect) -> bytes:
        said.append(effect.organization_id)
        return real(effect)

    monkeypatch.setattr(probe, "prepare", prepare)
    monkeypatch.setattr(turns, "_last", 0)
    return said


def flooded(clinic: Organization, quiet: Organization) -> list[str]:
    """Bells in the order in which they were rung: all of the one, then those of the other."""
    bells = [str(plan(clinic).public_id) for _ in range(FLOOD)]
    with walls.organization(quiet.pk):
        bells += [str(plan(quiet).public_id) for _ in range(FEW)]
    walls.leave()
    return bells


def places(order: list[int], whose: Organization) -> list[int]:
    return [place for place, one in enumerate(order) if one == whose.pk]


def test_bells_of_a_flood_are_heard_in_turn(clinic: Organization, quiet: Organization, order: list[int]) -> None:
    """The last three bells of 43 are the other clinic's; it is served in the first six."""
    for bell in flooded(clinic, quiet):
        run_effect(bell)
    assert len(order) == FLOOD + FEW, "as many effects as bells"
    assert max(places(order, quiet)) < 2 * FEW
    for whose in (clinic, quiet):
        with walls.organization(whose.pk):
            assert not Effect.objects.filter(state__in=OPEN).exists()


def test_a_bell_alone_runs_what_it_is_for(clinic: Organization, order: list[int]) -> None:
    first, second = plan(clinic), plan(clinic)
    walls.leave()
    run_effect(str(second.public_id))
    walls.enter(clinic.pk)
    assert [Effect.objects.get(pk=one.pk).state for one in (first, second)] == ["planned", "done"]


def test_a_bell_of_another_queue_is_not_taken_for_it(
    clinic: Organization, quiet: Organization, order: list[int]
) -> None:
    mine = plan(clinic)
    with walls.organization(quiet.pk):
        Effect.objects.filter(pk=plan(quiet).pk).update(queue="bulk")
    walls.leave()
    for _ in range(2):
        run_effect(str(mine.public_id))
    assert order == [clinic.pk]


def test_a_bell_of_something_that_waits_runs_nothing_before_its_time(
    clinic: Organization, probe: Probe, order: list[int]
) -> None:
    later = plan(clinic)
    Effect.objects.filter(pk=later.pk).update(next_run_at="2999-01-01T00:00:00Z")
    walls.leave()
    run_effect(str(later.public_id))
    assert order == []


def test_the_sweeper_takes_of_each_in_turn(clinic: Organization, quiet: Organization, probe: Probe) -> None:
    flooded(clinic, quiet)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_due_effects(0, 100)")
        found = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute("SELECT ehrc_due_effects(0, 10)")
        assert len(cursor.fetchall()) == 10
    with walls.organization(quiet.pk):
        theirs = {str(one) for one in Effect.objects.filter(state__in=OPEN).values_list("public_id", flat=True)}
    assert len(theirs) == FEW
    assert [place for place, one in enumerate(found) if one in theirs][-1] < 2 * FEW
    assert len(found) == len(set(found)) == FLOOD + FEW


def test_the_hands_hold_few_so_that_who_comes_now_is_soon_served(
    clinic: Organization, quiet: Organization, probe: Probe, order: list[int]
) -> None:
    for _ in range(FLOOD):
        plan(clinic)
    walls.leave()
    with ThreadPoolExecutor(1) as pool:
        hands = Hands(pool, threading.Event(), most=AHEAD)
        probe.go_on.clear()
        assert sweep(hands, 0.0) == AHEAD
        assert hands.more
        with walls.organization(quiet.pk):
            plan(quiet)
        assert sweep(hands, 0.0) == 0
        probe.go_on.set()
        while len(order) < FLOOD + 1:
            sweep(hands, 0.0)
            hands.wait()
        hang_up(pool, 1)
    assert places(order, quiet)[0] < 2 * AHEAD
