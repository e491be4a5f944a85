"""The database is restarted under a thread that lives on, as those of the worker and the sweeper do: the next bell is
heard, and nobody works behind walls that the new session has never entered. [REL-P5, F39]"""

from collections.abc import Callable

import pytest
from django.db import connection

from ehrcommerce.accounts.models import Organization
from ehrcommerce.outbox import services, tasks
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.outbox.probe import Probe, plan


def end_session() -> None:
    """As a restart of the server does it: this thread learns of it with its next statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone() or (0,)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("RESET ROLE")
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            assert cursor.fetchone() == (True,)
    finally:
        other.close()


def state_of(effect: Effect, clinic: Organization) -> str:
    with walls.organization(clinic.pk):
        return Effect.objects.get(pk=effect.pk).state


def after(function: Callable[..., object]) -> Callable[..., object]:
    """The same function, and then the session ends."""

    def wrapped(*arguments: object, **named: object) -> object:
        done = function(*arguments, **named)
        end_session()
        return done

    return wrapped


def test_a_session_that_ended_while_the_thread_rested_costs_no_bell(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    walls.leave()
    end_session()
    tasks.look(str(effect.public_id))
    assert state_of(effect, clinic) == "done"


@pytest.mark.parametrize("last", ["_attempt", "_settle"])
def test_a_session_that_ended_in_the_middle_of_one_effect_does_not_spoil_the_next(
    clinic: Organization, probe: Probe, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    first, second = plan(clinic), plan(clinic)
    walls.leave()
    with monkeypatch.context() as restart:
        restart.setattr(services, last, after(getattr(services, last)))
        tasks.look(str(first.public_id))
    assert walls.current() is None
    tasks.look(str(second.public_id))
    assert state_of(second, clinic) == "done"


def test_walls_that_were_entered_in_a_session_that_ended_are_entered_anew(clinic: Organization, probe: Probe) -> None:
    effect = plan(clinic)
    assert walls.current() == clinic.pk
    connection.close()
    assert walls.current() is None
    assert state_of(effect, clinic) == "planned"
