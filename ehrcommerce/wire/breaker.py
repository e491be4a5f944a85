"""A circuit breaker: after several failures in a row a partner is left alone for a while, then some calls may try.
Open means wait, never drop: whoever is refused keeps its row and its time to try again."""

import threading

FAILURES = 5
REST_S = 15.0
# A page asks several things at once: all of them may try, or one good answer would still leave it half empty.
PROBE_S = 1.0


class Breaker:
    """Closed -> open after FAILURES in a row -> a second of probes each REST_S until one succeeds. `now` is monotonic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0
        self._probe_until = 0.0

    def allows(self, now: float) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            if now < self._probe_until:
                return True
            if now < self._next_probe:
                return False
            self._next_probe, self._probe_until = now + REST_S, now + PROBE_S
            return True

    def heard(self, *, failed: bool, now: float) -> None:
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            if self._failures == FAILURES:
                self._next_probe = now + REST_S

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES
