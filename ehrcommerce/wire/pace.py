"""A partner's own limit of requests in a minute, kept by each process: some EHRs shut an app out for a while that asks
too often, and some say so with a 403 that looks like a missing right."""

import threading
import time
from collections.abc import Callable

from ehrcommerce.wire import deadline
from ehrcommerce.wire.errors import Busy

LONGEST_WAIT_S = 1.5


class TooSoon(Exception):
    """The limit of this minute is reached. Try again when it is over."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Pace:
    """A bucket of tokens. A quarter of the minute's requests may go out at once (a page asks several things together),
    the rest comes back evenly: no minute ever holds more than `per_minute`."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._most = max(per_minute // 4, 1)
        self._each_s = 60.0 / max(per_minute - self._most, 1)
        self._lock = threading.Lock()
        self._left, self._since = float(self._most), 0.0

    def take(self, now: float) -> float:
        """Take the next token: how long to wait for it. Past the longest wait none is taken: TooSoon."""
        longest_s = deadline.left_s(LONGEST_WAIT_S)
        with self._lock:
            self._left = min(self._left + max(now - self._since, 0.0) / self._each_s, self._most)
            self._since = max(now, self._since)
            wait_s = max(1.0 - self._left, 0.0) * self._each_s
            if wait_s <= longest_s:
                self._left -= 1.0
                return wait_s
        raise TooSoon(wait_s)


_paces: dict[str, Pace] = {}
_paces_lock = threading.Lock()


def keep(name: str, per_minute: int, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until partner `name` may be asked again: a moment at most, else Busy. 0 is no limit."""
    if not per_minute:
        return
    with _paces_lock:
        pace = _paces.get(name)
        if pace is None or pace.per_minute != per_minute:
            pace = _paces[name] = Pace(per_minute)
    try:
        wait_s = pace.take(time.monotonic())
    except TooSoon as refused:
        raise Busy(name, wait_s=refused.wait_s) from None
    if wait_s > 0:
        sleep(wait_s)


def forget() -> None:
    """Begin anew: after a partner's limit was changed, and between tests."""
    with _paces_lock:
        _paces.clear()
