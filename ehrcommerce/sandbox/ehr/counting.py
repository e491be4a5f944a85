"""Counts uses within this process: how often a spoiled answer was given, how many requests came within a while."""

import threading
import time
from collections import defaultdict, deque

_uses: defaultdict[str, int] = defaultdict(int)
_times: defaultdict[str, deque[float]] = defaultdict(deque)
_lock = threading.Lock()


def next_use(key: str) -> int:
    """How often this was used before; the present use counts for the next."""
    with _lock:
        before = _uses[key]
        _uses[key] = before + 1
    return before


def within(key: str, *, seconds: float) -> int:
    """How many uses there were in the last seconds, the present one included."""
    now = time.monotonic()
    with _lock:
        seen = _times[key]
        while seen and seen[0] <= now - seconds:
            seen.popleft()
        seen.append(now)
        return len(seen)


def forget(begins_with: str = "") -> None:
    """Begin anew."""
    with _lock:
        for book in (_uses, _times):
            for key in [key for key in book if key.startswith(begins_with)]:
                del book[key]
