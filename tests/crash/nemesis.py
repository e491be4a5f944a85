"""Whoever wishes a running system ill: one small trouble after the other, in an order that the seed chooses, each of them
one that life brings as well."""

import itertools
import os
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import psycopg

from ehrcommerce.workbench.rotation import seed
from ehrcommerce.workbench.services import ask_redis
from tests.crash.town import Town

# Longer than a lease of these tests (settings.EFFECT_LEASE_S): who wakes up meets the fence.
FROZEN_S = 8.0
BLINK_S = 3.0
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    " ORDER BY random() LIMIT 3) AS three"
)


def schedule(acts: Iterable[str], number: int) -> Iterator[tuple[float, str]]:
    """Which act follows which, and after what pause: all of them in turn, so that none is left out. The seed decides."""
    choice, order = random.Random(number), list(acts)
    choice.shuffle(order)
    for act in itertools.cycle(order):
        yield choice.uniform(0.4, 1.6), act


class Nemesis:
    """Works in a thread until `end`, and leaves everything running."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.done = dict.fromkeys(self._acts(), 0)
        self._ends = threading.Event()
        self._frozen: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._work, name="nemesis", daemon=True)

    def __enter__(self) -> "Nemesis":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(10)
        for thaw in self._frozen:
            thaw()
        self.town.site.database_wire.faults.clear()

    def _acts(self) -> dict[str, Callable[[], None]]:
        wire = self.town.site.database_wire
        return {
            "commit answered by silence": lambda: wire.arm("drop_answer", b"COMMIT"),
            "commit that never arrives": lambda: wire.arm("reset", b"COMMIT"),
            "database sessions ended": self._end_sessions,
            "Redis emptied": lambda: self._quietly(lambda: ask_redis(self.town.redis_url, "FLUSHALL")),
            "Redis silent": self._silence_redis,
            "worker frozen past its lease": lambda: self._freeze("worker", FROZEN_S),
            "sweeper frozen": lambda: self._freeze("sweeper", FROZEN_S),
        }

    def _work(self) -> None:
        acts = self._acts()
        for pause_s, name in schedule(acts, seed()):
            if self._ends.wait(pause_s):
                return
            acts[name]()
            self.done[name] += 1

    @staticmethod
    def _quietly(act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            return  # it is silent just now

    def _end_sessions(self) -> None:
        with psycopg.connect(self.town.postgres.superuser_url, autocommit=True) as clerk:
            clerk.execute(END_SESSIONS, [self.town.site.database])

    def _silence_redis(self) -> None:
        child = self.town.redis.child
        if child is not None:
            child.signal(signal.SIGSTOP)
            self._later(lambda: child.signal(signal.SIGCONT), BLINK_S)

    def _freeze(self, name: str, seconds: float) -> None:
        pid = self.town.pid(name)
        self._tell(pid, signal.SIGSTOP)
        self._later(lambda: self._tell(pid, signal.SIGCONT), seconds)

    @staticmethod
    def _tell(pid: int, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)

    def _later(self, thaw: Callable[[], None], seconds: float) -> None:
        self._frozen.append(thaw)
        timer = threading.Timer(seconds, thaw)
        timer.daemon = True
        timer.start()

    @property
    def faults(self) -> int:
        return sum(self.done.values())
