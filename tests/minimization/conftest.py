"""The running system, its control desk, and the table that `prove_minimization` prints."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ehrcommerce.workbench import fixtures
from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Desk
from tests.journeys.conftest import at_the_desk

Tell = Callable[[str, str], None]


@pytest.fixture
def desk(prepared: Live) -> Iterator[Desk]:
    with at_the_desk(prepared) as made:
        yield made


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """A line of the table."""
    return lambda what, value: record_property(what, value)


@pytest.fixture
def server_log(pytestconfig: pytest.Config) -> Path | None:
    """PostgreSQL's own; None where the server was given to us."""
    return pytestconfig.stash[fixtures.STACK].server_log
