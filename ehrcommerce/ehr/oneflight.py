"""A value of a partner that many threads want at once and that lives for a while: one of them fetches, the rest wait.
For discovery, key sets and access tokens, kept in this process alone: what is over goes when something new comes, and
there are never more than MOST, since keys may be made of what a partner says."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 1000


class OneFlight(Generic[T]):
    """`get` returns the kept value while it lives; else one caller runs `fetch`, whose errors reach that caller
    only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[T, float]] = {}

    def get(self, key: Hashable, fetch: Callable[[], tuple[T, float]]) -> T:
        """`fetch` returns the value and for how many seconds it lives."""
        kept = self.peek(key)
        if kept is not None:
            return kept
        with self._lock:
            flight = self._flights.setdefault(key, threading.Lock())
        with flight:
            kept = self.peek(key)
            return kept if kept is not None else self._fetch(key, fetch)

    def _fetch(self, key: Hashable, fetch: Callable[[], tuple[T, float]]) -> T:
        value, life_s = fetch()
        with self._lock:
            self._make_room()
            self._kept[key] = (value, time.monotonic() + life_s)
        return value

    def _make_room(self) -> None:
        """For one more. A flight under way stays; what it may cost to lose one that is about to begin is a second fetch."""
        now = time.monotonic()
        living = sorted(((end, key) for key, (_, end) in self._kept.items() if end > now), key=lambda each: each[0])
        self._kept = {key: self._kept[key] for _, key in living[max(len(living) - MOST + 1, 0) :]}
        self._flights = {key: lock for key, lock in self._flights.items() if key in self._kept or lock.locked()}

    def peek(self, key: Hashable) -> T | None:
        """The kept value if it still lives."""
        with self._lock:
            value, end = self._kept.get(key, (None, 0.0))
        return value if end > time.monotonic() else None

    def drop(self, key: Hashable, value: T | None = None) -> None:
        """Forget it; when `value` is given, only if that is still the one."""
        with self._lock:
            if value is None or self._kept.get(key, (None, 0.0))[0] == value:
                self._kept.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
