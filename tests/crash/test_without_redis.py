"""The broker does not run at all: whoever buys gets it all the same, since the sweeper needs PostgreSQL alone. [REL-P4]"""

import threading
import time

from tests.crash.nemesis import is_busy
from tests.crash.test_kills import buy, judge
from tests.crash.told import tell
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database

LATE_S = 5.0
# On a machine that does three other things at once a process may not even get its turn.
LATE_WHEN_BUSY_S = 30.0
DUE = (
    "SELECT coalesce(max(extract(epoch FROM now() - next_run_at)), 0)::float AS late FROM outbox_effect"
    " WHERE state IN ('planned', 'unknown') AND (lease_until IS NULL OR lease_until < now())"
)


def test_without_redis_a_whole_order_ships_and_no_step_waits(town: Town, desk: Desk, database: Database) -> None:
    since, late, ends = time.time(), [0.0], threading.Event()

    def watch() -> None:
        while not ends.wait(0.2):
            late.append(float(database.one(DUE)["late"]))

    town.redis_stop()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        buyers = buy(town, desk, database, [("device", "delivered", False)])
    finally:
        ends.set()
        watcher.join(5)
        town.redis_start()
    verdict = judge(town, buyers, since)
    tell("no_redis", **verdict.counts, late_s=round(max(late), 1))
    assert max(late) <= (LATE_WHEN_BUSY_S if is_busy() else LATE_S)
