"""The clock goes on, whatever fails or hangs beside it, and no fault is written with the values it met. [REL-F37]"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from celery.app.trace import build_tracer
from django.core.management import call_command
from django.db import connection

from ehrcommerce.accounts.models import Organization
from ehrcommerce.outbox import services, tasks
from ehrcommerce.outbox.chores import CHORES, Registered
from ehrcommerce.outbox.management.commands.sweeper import Hands, hang_up, sweep
from ehrcommerce.settings.base import LOGGING
from ehrcommerce.settings.logs import NamesOnly, ValuelessFormatter
from ehrcommerce.vault import walls
from tests.outbox.probe import Probe, again, plan

VALUE = "Cy Rivera, 861007"


def broken_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::integer", [VALUE])


def broken_program() -> None:
    raise ValueError(f"Failing row contains ({VALUE})")


# -- chores -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [broken_program, broken_row])
def test_a_broken_chore_stops_no_other_chore_and_no_other_organization(
    clinic: Organization, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Callable[[], None]
) -> None:
    worked: list[int] = []

    def breaks(organization_id: int, at: datetime) -> int:
        if organization_id == clinic.pk:
            fault()
        return 0

    def works(organization_id: int, at: datetime) -> int:
        worked.append(organization_id)
        return 0

    for chore in (Registered("a.breaks", 1, breaks), Registered("b.works", 1, works)):
        monkeypatch.setitem(CHORES, chore.name, chore)
    walls.leave()
    call_command("sweeper", once=True, grace=0.0, threads=1)
    assert clinic.pk in worked
    (line,) = [ValuelessFormatter().format(one) for one in caplog.records if "a.breaks" in one.getMessage()]
    assert VALUE not in line
    assert fault.__name__ in line


def test_a_chore_that_loses_the_database_makes_the_sweeper_wait(
    clinic: Organization, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(organization_id: int, at: datetime) -> int:
        connection.close()
        raise ValueError(VALUE)

    only = {"a.breaks": Registered("a.breaks", 1, breaks)}
    monkeypatch.setattr("ehrcommerce.outbox.management.commands.sweeper.CHORES", only)
    walls.leave()
    call_command("sweeper", once=True, grace=0.0, threads=1)
    assert "the sweeper waits" in caplog.text


# -- hands ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def hands(clinic: Organization) -> Iterator[Hands]:
    with ThreadPoolExecutor(2) as pool:
        yield Hands(pool, threading.Event())
        hang_up(pool, 2)


def test_the_clock_does_not_wait_for_a_slow_partner(clinic: Organization, probe: Probe, hands: Hands) -> None:
    slow = plan(clinic)
    probe.go_on.clear()
    sweep(hands, 0.0)
    assert probe.while_sending.wait(60)
    quick = plan(clinic)  # the partner still thinks, and the next round begins
    sweep(hands, 0.0)
    probe.go_on.set()
    hands.wait()
    assert [again(slow).state, again(quick).state] == ["done", "done"]


def test_what_is_in_a_hand_is_not_given_out_again(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, runs = threading.Event(), list[str]()

    def look(effect_id: str) -> None:
        runs.append(effect_id)
        assert go_on.wait(60)

    monkeypatch.setattr("ehrcommerce.outbox.management.commands.sweeper.look", look)
    assert [hands.take(["a"]), hands.take(["a", "b"]), hands.take(["a", "b"])] == [1, 1, 0]
    go_on.set()
    hands.wait()
    assert sorted(runs) == ["a", "b"]
    assert hands.take(["a"]) == 1


# -- what Celery writes -----------------------------------------------------------------------------------------------
def test_a_fault_in_a_task_is_not_handed_to_celery(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services, "turn", lambda effect_id: None)
    monkeypatch.setattr(services, "run", lambda effect_id: broken_program())
    tasks.run_effect("e1")
    (record,) = caplog.records
    line = ValuelessFormatter().format(record)
    assert "e1" in line
    assert "ValueError" in line
    assert VALUE not in line


def test_celerys_own_line_names_the_fault_and_no_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("celery.app.trace", "celery.worker.request"):
        assert LOGGING["loggers"][name]["filters"] == ["names only"]
    trace = logging.getLogger("celery.app.trace")
    names_only = NamesOnly()
    monkeypatch.setattr(trace, "filters", [names_only])

    def task(effect_id: str) -> None:
        broken_program()

    app = tasks.run_effect.app
    monkeypatch.setattr(tasks.run_effect, "run", task)
    tracer = build_tracer(tasks.run_effect.name, tasks.run_effect, app=app, eager=True, propagate=False)
    tracer("id", ["e1"], {}, {})
    lines = [ValuelessFormatter().format(one) for one in caplog.records]
    assert any("a task failed: ValueError" in line for line in lines)
    assert not any(VALUE in line for line in lines)
