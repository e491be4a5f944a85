"""The cast of the journeys, on a whole running system."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk
from tests.journeys.database import Database

MARISOL = {"born": "1968-03-14"}


@contextmanager
def at_the_desk(live: Live) -> Iterator[Desk]:
    made = Desk(live)
    made.call("POST", "/control/step", {"step_s": 0})
    yield made
    made.no_faults()
    made.call("DELETE", "/control/knobs")
    made.call("POST", "/control/reset", {"what": "messages"})


@pytest.fixture
def desk(live: Live) -> Iterator[Desk]:
    """The control desk; faults planted by a test go with it. Partners stand still unless a test moves them."""
    with at_the_desk(live) as made:
        yield made


@pytest.fixture
def ada(live: Live, desk: Desk) -> Ada:
    return Ada(live, desk)


@pytest.fixture
def database(live: Live) -> Iterator[Database]:
    made = Database(live.owner_url)
    yield made
    made.close()


@pytest.fixture
def patient(live: Live, desk: Desk) -> Callable[..., Cy]:
    """A new person with a chart and one active order of each kind asked for; nobody else's test meets them."""
    from tests.journeys.charts import new_chart

    def make(*kinds: str, **more: str) -> Cy:
        chart = new_chart(*kinds, **more)
        desk.put(*chart.resources)
        cy = Cy(live, desk, born=chart.born, phone=chart.phone, email=chart.email)
        cy.chart = chart
        return cy

    return make
