"""The clock: work that returns by itself (sealing, expiry, purging). Each app registers its chores in AppConfig.ready;
`manage.py sweeper` runs them. Any number of sweepers may run: a chore must do no harm when two meet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Chore = Callable[[int, datetime], int]


@dataclass(frozen=True)
class Registered:
    """`work(organization_id, at)` runs inside that organization's walls and returns how many rows it moved."""

    name: str
    every_s: float
    work: Chore


CHORES: dict[str, Registered] = {}


def register(name: str, *, every_s: float, work: Chore) -> None:
    CHORES[name] = Registered(name, every_s, work)
