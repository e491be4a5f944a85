"""A bell says that something waits; whose turn it is, the rows say. Bells lie in the broker in the order in which they were
rung: if each ran its own effect, a clinic that plans ten thousand of them would stand before all others for minutes.

So a worker that hears a bell takes the next organization, going round, that has something due in that queue: what the
bell is for where it is its turn, else that organization's oldest. As many effects are run as bells were rung."""

import threading
from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, slots=True)
class Turn:
    effect_id: str
    organization_id: int


_lock = threading.Lock()
_last = 0  # the organization that this process served last


def turn(effect_id: str) -> Turn | None:
    """Whose turn it is when this bell is heard; None where nothing is due in its queue."""
    global _last
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ehrc_turn(%s, %s)", [effect_id, _last])
        row = cursor.fetchone()
    if row is None:
        return None
    with _lock:
        _last = row[1]
    return Turn(str(row[0]), row[1])
