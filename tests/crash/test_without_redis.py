"""The broker does not run at all: whoever buys gets it all the same, since the sweeper needs PostgreSQL alone. [REL-P4]"""

import threading
import time

from tests.crash.test_kills import buy, judge
from tests.crash.told import done_before, tell
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database

LATE_S = 5.0
# A machine that does other things gives nobody a turn for seconds: what counts is that a step is taken by the next looks of
# two sweepers, and those are counted, not timed.
LOOKS = 8
DUE = (
    "SELECT public_id::text AS id, extract(epoch FROM now() - next_run_at)::float AS late FROM outbox_effect"
    " WHERE state IN ('planned', 'unknown') AND next_run_at <= now() AND (lease_until IS NULL OR lease_until < now())"
)


def test_without_redis_a_whole_order_ships_and_no_step_waits(town: Town, desk: Desk, database: Database) -> None:
    if "without redis" in done_before():
        return
    since, late, ends = time.time(), [0.0], threading.Event()
    first: dict[str, int] = {}
    passed_by: list[str] = []

    def watch() -> None:
        """Which steps are due, and how often sweepers have looked since each was seen to be."""
        while not ends.wait(0.2):
            rounds = town.rounds()
            due = {row["id"]: float(row["late"]) for row in database.rows(DUE)}
            for name in set(first) - set(due):
                del first[name]
            for name, seconds in due.items():
                looks = rounds - first.setdefault(name, rounds)
                late.append(seconds)
                if seconds > LATE_S and looks > LOOKS:
                    passed_by.append(f"{name}: {seconds:.1f} s late, {looks} looks")

    town.usual(True)
    town.redis_stop()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        buyers = buy(town, desk, database, [("device", "delivered", False)])
    finally:
        ends.set()
        watcher.join(60)
        town.redis_start()
    verdict = judge(town, buyers, since)
    assert passed_by == []
    tell("no_redis", **verdict.counts, late_s=round(max(late), 1), round="without redis")
