"""A new version is put in place while people buy: web, workers and sweepers are replaced one after the other, and no
patient sees a page that failed. [REL-P33, F65]"""

import os
import signal
import threading
import time

import pytest

from tests.crash.people import PATIENCE_S, until
from tests.crash.test_kills import buy, judge
from tests.crash.told import done_before, tell
from tests.crash.town import HANDS, Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database

PEOPLE = [("device", "delivered", False), ("kit", "cancelled", False)]


def replace(town: Town, name: str) -> None:
    """Asked to end, and the next one is there."""
    before = town.pid(name)
    os.kill(before, signal.SIGTERM)
    until(lambda: town.pid(name) != before, f"the one after {name}")


@pytest.mark.nightly
def test_a_deploy_under_load_fails_no_page_and_loses_nothing(town: Town, desk: Desk, database: Database) -> None:
    if "deploy" in done_before():
        return
    since, ends, replaced = time.time(), threading.Event(), []

    def deploy() -> None:
        """As `systemctl reload` of the web and `restart` of the others do it, round after round while people buy."""
        while not ends.wait(1.0):
            os.kill(town.pid("web"), signal.SIGHUP)
            replaced.append("web")
            for name in HANDS:
                replace(town, name)
                replaced.append(name)

    thread = threading.Thread(target=deploy, name="deploy", daemon=True)
    thread.start()
    try:
        buyers = buy(town, desk, database, PEOPLE)
    finally:
        ends.set()
        thread.join(PATIENCE_S)
    verdict = judge(town, buyers, since)
    assert {"web", *HANDS} <= set(replaced)
    assert [failed for buyer in buyers for failed in buyer.failed] == []
    tell("deploys", **verdict.counts, replaced=len(replaced), round="deploy")
