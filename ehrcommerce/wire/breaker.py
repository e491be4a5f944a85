"""A circuit breaker: after several failures in a row a partner is left alone for a while, then some calls may try.
Open means wait, never drop: whoever is refused keeps its row and its time to try again."""

import threading

FAILURES = 5
# Or fewer, once failures in a row have lasted this long: of a partner that is asked rarely, and hangs.
FAILING_S = 5.0
REST_S = 15.0
# A page asks several things at once: all of them may try, or one good answer would still leave it half empty.
PROBE_S = 1.0


class Breaker:
    """Closed -> open after FAILURES in a row -> a second of probes each REST_S until one succeeds. `now` is monotonic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._first = 0.0
        self._open = False
        self._next_probe = 0.0
        self._probe_until = 0.0

    def allows(self, now: float) -> bool:
        with self._lock:
            if not self._open:
                return True
            if now < self._probe_until:
                return True
            if now < self._next_probe:
                return False
            self._next_probe, self._probe_until = now + REST_S, now + PROBE_S
            return True

    def heard(self, *, failed: bool, now: float) -> None:
        with self._lock:
            if not failed:
                self._failures, self._open = 0, False
                return
            self._failures += 1
            if self._failures == 1:
                self._first = now
            lasting = self._failures > 1 and now - self._first >= FAILING_S
            if not self._open and (self._failures >= FAILURES or lasting):
                self._open, self._next_probe = True, now + REST_S

    def rests_s(self, now: float) -> float:
        """How long until somebody may try again."""
        with self._lock:
            return max(self._next_probe - now, 0.0) if self._open else 0.0

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def state(self) -> str:
        """ok | degraded | open"""
        return "open" if self._open else "degraded" if self._failures else "ok"
