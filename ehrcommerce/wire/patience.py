"""How long one page may wait for a partner that says "later". An EHR that is busy names the time when it wants to be
asked again; a clinician in front of a page does not wait for it longer than a moment, and then is told."""

import random
import threading
import time
from collections.abc import Callable

from ehrcommerce.wire import deadline

BUDGET_S = 2.0
TRIES = 3
FIRST_PAUSE_S = 0.2


class Patience:
    """One page's time for waiting, shared by its threads. It begins with the first pause and covers everything after
    it, so that several pauses in a row, or slow answers between them, never add up to more."""

    def __init__(self, budget_s: float = BUDGET_S, sleep: Callable[[float], None] = time.sleep) -> None:
        self._lock = threading.Lock()
        self._budget_s, self._sleep = budget_s, sleep
        self._end: float | None = None

    def pause(self, asked_s: float | None, *, tries: int) -> bool:
        """Wait as long as was asked for (never less), or a growing moment where nothing was; False where that would
        take too long, and then nothing was waited. `tries` is how often the partner was asked already."""
        wait_s = (FIRST_PAUSE_S * 2 ** (tries - 1) if asked_s is None else asked_s) + _jitter_s()
        now = time.monotonic()
        with self._lock:
            end = now + self._budget_s if self._end is None else self._end
            if tries >= TRIES or now + wait_s > end or deadline.left_s(wait_s) < wait_s:
                return False
            self._end = end
        self._sleep(wait_s)
        return True


def _jitter_s() -> float:
    """Those who were sent away together do not come back together."""
    return random.uniform(0, FIRST_PAUSE_S)  # noqa: S311 - spreads load, protects nothing
