"""The sweeper finds what no doorbell announced. It needs PostgreSQL alone: with Redis stopped it does the work itself."""

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.utils import timezone

from ehrcommerce.outbox import watch
from ehrcommerce.outbox.chores import CHORES, Registered
from ehrcommerce.outbox.tasks import look
from ehrcommerce.vault import walls

log = logging.getLogger(__name__)
BATCH = 100
# So many effects a thread may wait in the hands: enough that none rests between two rounds, and few enough that whoever
# comes now does not stand behind a hundred of somebody else.
AHEAD = 3


class Command(BaseCommand):
    help = "Runs effects that are due and not under way, and the chores of every organization. Stop it with SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then stop")
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="pause between rounds (1.0)")
        parser.add_argument(
            "--grace", type=float, default=2.0, metavar="SECONDS", help="leave this long to the doorbell (2.0)"
        )
        parser.add_argument("--threads", type=int, default=8, help="effects run at once (8)")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        if not options["once"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        last: dict[str, float] = {}
        beaten_at = -watch.BEAT_EVERY_S
        with ThreadPoolExecutor(options["threads"], thread_name_prefix="effect") as pool:
            hands = Hands(pool, stop, most=BATCH if options["once"] else AHEAD * options["threads"])
            try:
                while not stop.is_set():
                    try:
                        found = sweep(hands, options["grace"])
                        if options["once"]:
                            hands.wait()
                        chores(last, everything=options["once"])
                        if time.monotonic() - beaten_at >= watch.BEAT_EVERY_S:
                            # Last: a round that did not come to its end leaves no mark.
                            watch.beat()
                            beaten_at = time.monotonic()
                    except DatabaseError:
                        log.warning("the database does not answer; the sweeper waits")
                        connection.close()
                        found = 0
                    if options["once"]:
                        break
                    stop.wait(0.05 if found and hands.more else options["every"])
            finally:
                hang_up(pool, options["threads"])


class Hands:
    """The threads that run effects, and what is in them or waits for one. The clock never waits for a hand: one slow
    partner would stop it for everybody."""

    def __init__(self, pool: ThreadPoolExecutor, stop: threading.Event, most: int = BATCH) -> None:
        self._pool, self._stop, self._most = pool, stop, most
        self.more = False  # whether more was due than there was room for
        self._taken: set[str] = set()
        self._lock = threading.Condition()

    def wait(self) -> None:
        """Until nothing is in a hand: for one round, whose chores come after its effects."""
        with self._lock:
            self._lock.wait_for(lambda: not self._taken)

    def take(self, effect_ids: Iterable[str]) -> int:
        """Give out what no hand has yet, as far as there is room. Returns how many that were."""
        with self._lock:
            waiting = [one for one in effect_ids if one not in self._taken]
            new = waiting[: max(self._most - len(self._taken), 0)]
            self._taken.update(new)
            self.more = len(waiting) > len(new)
        for one in new:
            self._pool.submit(self._run, one)
        return len(new)

    def _run(self, effect_id: str) -> None:
        try:
            # What has not begun when the sweeper is told to stop is found again by the next one.
            if not self._stop.is_set():
                look(effect_id)
        finally:
            with self._lock:
                self._taken.discard(effect_id)
                self._lock.notify_all()


def hang_up(pool: ThreadPoolExecutor, threads: int) -> None:
    """Each thread closes its own database connection: nobody else can, and the server would keep them for a while."""
    together = threading.Barrier(threads)

    def close(_: int) -> None:
        together.wait()
        connection.close()

    list(pool.map(close, range(threads)))


def sweep(hands: Hands, grace_s: float) -> int:
    """Begin everything that is due for longer than the doorbell's grace. Returns how many were begun."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_due_effects(%s, %s)", [grace_s, BATCH])
        return hands.take([str(row[0]) for row in cursor.fetchall()])


def chores(last: dict[str, float], *, everything: bool = False) -> None:
    """Each chore whose pause is over, once for each organization."""
    now = time.monotonic()
    due = [chore for chore in CHORES.values() if everything or now - last.get(chore.name, -1e9) >= chore.every_s]
    if not due:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        organizations = [row[0] for row in cursor.fetchall()]
    for organization_id in organizations:
        with walls.organization(organization_id):
            for chore in due:
                _do(chore, organization_id)
    last.update({chore.name: now for chore in due})


def _do(chore: Registered, organization_id: int) -> None:
    try:
        moved = chore.work(organization_id, timezone.now())
    except Exception as fault:
        # One chore of one organization must not stop the clock for all; it is tried again when its pause is over.
        log.exception("chore %s of organization %d: a fault of the program", chore.name, organization_id)
        if not connection.is_usable():
            raise DatabaseError from fault
        return
    if moved:
        log.debug("%s: %d", chore.name, moved)
