"""One system under fire for all tests of this folder, and the books in which they write what they did."""

from collections.abc import Iterator

import pytest

from ehrcommerce.workbench import fixtures
from ehrcommerce.workbench.live import Live
from tests.crash.town import Town
from tests.journeys.cast import Desk
from tests.journeys.database import Database


@pytest.fixture(scope="session")
def whole_town(pytestconfig: pytest.Config) -> Iterator[Town]:
    made = Town(pytestconfig.stash[fixtures.STACK])
    try:
        made.begin()
        desk_of(made).call("POST", "/control/step", {"step_s": 0})
        yield made
    finally:
        made.end()
        made.redis_stop()


def desk_of(live: Live) -> Desk:
    return Desk(live)


@pytest.fixture
def town(whole_town: Town) -> Town:
    """Calm, whichever test was before and however it ended."""
    whole_town.calm()
    desk_of(whole_town).call("DELETE", "/control/faults")
    return whole_town


@pytest.fixture
def desk(town: Town) -> Desk:
    return desk_of(town)


@pytest.fixture
def database(town: Town) -> Database:
    return town.ours
