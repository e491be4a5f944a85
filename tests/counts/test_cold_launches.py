"""A morning rush: many launches at once in a process that has fetched nothing yet. What the EHR publishes once is asked
for once, however many wait for it; and what one launch costs when all of that is at hand."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from ehrcommerce.ehr import discovery
from tests.counts.office import Office

AT_ONCE = 20
CHART = "harold-nakamura"
Entry = dict[str, Any]


@pytest.fixture
def known(office: Office) -> Iterator[Office]:
    """An EHR that was launched from before (the first launch of all pins what it publishes), and a process that has
    just begun."""
    office.launch(CHART)
    discovery.forget()
    yield office
    discovery.forget()


def at_once(launch: Callable[[], int]) -> list[int]:
    """The statuses of AT_ONCE launches, each in a thread and with a connection to the database of its own."""

    def own(_: int) -> int:
        try:
            return launch()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(own, range(AT_ONCE)))


def count(entries: list[Entry], ending: str) -> int:
    return sum(entry["path"].partition("?")[0].endswith(ending) for entry in entries)


def paths(entries: list[Entry]) -> list[str]:
    return [entry["path"] for entry in entries]


def test_twenty_cold_launches_at_once_cost_one_discovery_and_one_key_request(known: Office) -> None:
    since = known.mark()

    def launch() -> int:
        client, place = known.launch(CHART)
        return int(client.get(place).status_code)

    assert at_once(launch) == [200] * AT_ONCE
    entries = known.journal(since)
    assert count(entries, "/smart-configuration") == 1
    assert count(entries, "/jwks") == 1
    assert count(entries, "/openid-configuration") <= 1
    assert count(entries, "/metadata") == 0
    assert count(entries, "/auth/token") == AT_ONCE


def test_a_cold_launch_and_a_warm_one(known: Office) -> None:
    """The sharpness of the count above: cold costs what is published, warm costs the chart only."""
    since = known.mark()
    client, place = known.launch(CHART)
    client.get(place)
    first, since = known.journal(since), known.mark()
    client, place = known.launch(CHART)
    assert client.get(place).status_code == 200
    second = known.journal(since)
    published = ("/smart-configuration", "/jwks", "/openid-configuration")
    assert sum(count(first, ending) for ending in published) >= 2
    assert sum(count(second, ending) for ending in published) == 0, paths(second)
    assert len(second) <= 6, paths(second)
