"""Nothing is kept longer than its row of the table says. The app that owns a value registers how it is erased; here
it becomes a chore of the clock, each on its own, so that one that fails does not keep the others waiting."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.outbox import chores

# `erase(organization_id, at)` runs inside that organization's walls and returns how many rows lost a value.
Eraser = Callable[[int, datetime], int]
EVERY_S = 3600.0
ERASERS: dict[str, Eraser] = {}


def register(name: str, eraser: Eraser) -> None:
    """Called in AppConfig.ready by the owner of the values, e.g. register("contacts", erase_contacts)."""
    ERASERS[name] = eraser
    chores.register(f"retention.{name}", every_s=EVERY_S, work=partial(run_one, name))


def run_one(name: str, organization_id: int, at: datetime) -> int:
    """Erase what is due, and say that it happened; both or neither."""
    with transaction.atomic():
        erased = ERASERS[name](organization_id, at)
        if erased:
            audit.record(
                organization_id=organization_id, by=audit.system("retention"), action="retention.erased",
                entity=f"retention:{name}", at=at, reason=f"rows:{erased}",
            )  # fmt: skip
    return erased


def run(organization_id: int, at: datetime) -> int:
    """All of them now, for an operator who does not want to wait for the clock."""
    return sum(run_one(name, organization_id, at) for name in sorted(ERASERS))
