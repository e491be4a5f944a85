"""What the rooms of the sandbox hang onto shared moments, so that no room has to know another.

A room registers in its `AppConfig.ready`: what `POST /control/reset` clears, what each tick of the clock thread
advances, and what `load` creates.
"""

from collections import defaultdict
from collections.abc import Callable

ALL = "all"

_clearers: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
_tickers: list[Callable[[], None]] = []
_loaders: list[Callable[[], None]] = []


def on_reset(what: str, clear: Callable[[], None]) -> None:
    """`clear` runs when `what` ("partners", "journal", "messages", "ehr") or "all" is reset."""
    _clearers[what].append(clear)


def on_tick(tick: Callable[[], None]) -> None:
    """`tick` runs about every half second in the clock thread of `serve`; it must be quick when nothing is due."""
    _tickers.append(tick)


def on_load(load: Callable[[], None]) -> None:
    """`load` runs with `python -m ehrcommerce.sandbox load`; a second run must change nothing."""
    _loaders.append(load)


def resettable() -> list[str]:
    """The names that `reset` knows."""
    return [*sorted(_clearers), ALL]


def reset(what: str) -> None:
    """Clear one room or all of them."""
    names = list(_clearers) if what == ALL else [what]
    for name in names:
        for clear in _clearers[name]:
            clear()


def tick() -> None:
    """One beat of the clock."""
    for ticker in _tickers:
        ticker()


def load() -> None:
    """What each room brings along by itself."""
    for loader in _loaders:
        loader()
