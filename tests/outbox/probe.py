"""A handler whose every answer is set by a test, and the hands that run its effects."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit.services import Actor
from ehrcommerce.outbox import handlers, services
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import OPEN, Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.vault import walls
from tests import factories

OP = Actor("user", "operator")


class Probe(Handler):
    """A handler whose every answer is set by a test, and whose calls are counted."""

    kind = "test.probe"

    def __init__(self) -> None:
        self.can = LOOKUP
        self.bytes = b"the act"
        self.halt: Outcome | None = None
        self.unwanted: Outcome | None = None
        self.answers: list[Outcome | Exception] = []
        self.memory: list[Outcome | Exception] = []
        self.sent: list[tuple[str, bytes]] = []
        self.settled: list[Outcome] = []
        self.settle_fault: Exception | None = None
        self.while_sending = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def capability(self, effect: Effect) -> str:
        return self.can

    def prepare(self, effect: Effect) -> bytes:
        assert not connection.in_atomic_block
        if isinstance(self.halt, TryAgain | Refused | NeedsHuman):
            raise Halt(self.halt)
        return self.bytes

    def still_wanted(self, effect: Effect) -> None:
        assert connection.in_atomic_block
        if isinstance(self.unwanted, TryAgain | Refused | NeedsHuman):
            raise Halt(self.unwanted)

    def send(self, effect: Effect, body: bytes) -> Outcome:
        assert not connection.in_atomic_block
        self.sent.append((effect.idempotency_key, body))
        self.while_sending.set()
        assert self.go_on.wait(10)
        return said(self.answers, Done("ref"))

    def ask(self, effect: Effect) -> Outcome:
        return said(self.memory, TryAgain("not_found"))

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        assert connection.in_atomic_block
        if self.settle_fault:
            raise self.settle_fault
        self.settled.append(outcome)


def said(answers: list[Outcome | Exception], otherwise: Outcome) -> Outcome:
    answer = answers.pop(0) if answers else otherwise
    if isinstance(answer, Exception):
        raise answer
    return answer


# Tests of other folders commit, and what they leave due would be taken before ours.
CLEARED = """
DO $$ DECLARE one bigint; BEGIN
    FOR one IN SELECT ehrc_organizations() LOOP
        PERFORM set_config('ehrc.organization', one::text, true);
        UPDATE outbox_effect SET state = 'rejected', next_run_at = NULL WHERE state IN ('planned', 'sending', 'unknown');
    END LOOP;
END $$
"""


@pytest.fixture
def clinic(commits: None) -> Iterator[Organization]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CLEARED)
    made = factories.organization()
    walls.enter(made.pk)
    yield made
    walls.enter(made.pk)
    Effect.objects.filter(state__in=OPEN).update(state="rejected", next_run_at=None)


@pytest.fixture
def probe(clinic: Organization, monkeypatch: pytest.MonkeyPatch) -> Probe:
    made = Probe()
    monkeypatch.setitem(handlers._handlers, Probe.kind, made)
    return made


def plan(clinic: Organization, subject: str = "", **more: object) -> Effect:
    return services.plan(
        kind=Probe.kind,
        subject=subject or uuid4().hex,
        organization_id=clinic.pk,
        at=timezone.now(),
        **more,  # type: ignore[arg-type]
    )


def run(effect: Effect) -> Effect:
    services.run(str(effect.public_id))
    return again(effect)


def again(effect: Effect) -> Effect:
    return Effect.objects.get(pk=effect.pk)


def soon(effect: Effect, seconds: float = 3600) -> None:
    """Let the time pass that it waits for."""
    rows = Effect.objects.filter(pk=effect.pk)
    now = again(effect)
    rows.update(
        next_run_at=(now.next_run_at or timezone.now()) - timedelta(seconds=seconds),
        changed_at=now.changed_at - timedelta(seconds=seconds),
        lease_until=now.lease_until and now.lease_until - timedelta(seconds=seconds),
    )
