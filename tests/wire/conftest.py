"""An EHR on loopback whose answers a test chooses, and no limits left over from another test."""

from collections.abc import Iterator

import pytest

from ehrcommerce.wire import pace
from tests.disclosure import fake_ehr
from tests.disclosure.fake_ehr import FakeEhr


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr.running() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh_pace() -> Iterator[None]:
    pace.forget()
    yield
    pace.forget()
