"""How long whoever waits may still wait. A page waits for a partner for a few seconds in all, however many questions
that takes and however patient each connection is; work that nobody looks at keeps the partner's own patience.

The time belongs to the thread that asks: a page that asks in several threads gives each its own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Less than this is no time to ask anybody: the call would only be cut off and leave a doubt behind.
LEAST_S = 0.1
_MOMENT_S = 0.01


class _Now(threading.local):
    until: float | None = None


_now = _Now()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All calls made inside end after `seconds` together. Inside another one the shorter of both counts."""
    before, until = _now.until, time.monotonic() + seconds
    _now.until = until if before is None else min(before, until)
    try:
        yield
    finally:
        _now.until = before


def left_s(patience_s: float) -> float:
    """What remains of `patience_s`; a moment where the time is over, since no library takes less for a timeout."""
    return patience_s if _now.until is None else max(min(patience_s, _now.until - time.monotonic()), _MOMENT_S)


def is_over() -> bool:
    """Whether there is no time left to ask anything."""
    return _now.until is not None and _now.until - time.monotonic() < LEAST_S
