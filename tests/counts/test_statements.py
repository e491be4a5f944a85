"""What the pages of a launch cost our own database, and that nothing is asked of an EHR inside a transaction. In this
process, against the sandbox EHR, on the real transport."""

import threading
from typing import Any

import pytest
import requests
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from ehrcommerce.wire.client import PartnerAdapter
from tests.counts.office import Office
from tests.journeys.charts import RXNORM, new_chart

MOST_STATEMENTS = 15


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call to the outside, each refused while a transaction is open here; and no helper thread connects."""
    main, calls, send = connections["default"], [], PartnerAdapter.send
    connect, here = BaseDatabaseWrapper.connect, threading.current_thread()

    def sent(self: PartnerAdapter, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert not main.in_atomic_block, "asked inside a transaction"
        calls.append(str(request.method))
        return send(self, request, *args, **more)

    def connected(self: BaseDatabaseWrapper) -> None:
        assert threading.current_thread() is here, "a thread that reads the chart went to the database"
        connect(self)

    monkeypatch.setattr(PartnerAdapter, "send", sent)
    monkeypatch.setattr(BaseDatabaseWrapper, "connect", connected)
    return calls


def test_a_launch_and_its_pages_ask_outside_of_any_transaction(office: Office, watched: list[str]) -> None:
    client, place = office.launch("harold-nakamura")
    for path in (place, f"{place}values/"):
        assert client.get(path).status_code == 200
    assert len(watched) >= 10


def test_the_watch_is_sharp(office: Office, watched: list[str]) -> None:
    client, place = office.launch("harold-nakamura")
    with pytest.raises(AssertionError, match="inside a transaction"), transaction.atomic():
        client.get(place)


def asked(statements: CaptureQueriesContext) -> list[str]:
    """What was asked, without the words around a transaction."""
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return [one["sql"][:120] for one in statements if not one["sql"].startswith(around)]


@pytest.mark.parametrize("path", ["", "values/"])
def test_the_clinician_s_page_of_twenty_orders_costs_at_most_fifteen_statements(office: Office, path: str) -> None:
    client, place = office.launch("harold-nakamura")
    client.get(place)
    with CaptureQueriesContext(connection) as statements:
        page = client.get(f"{place}{path}")
    assert page.status_code == 200
    assert page.content.decode().count("<tr") >= 20 or path
    assert len(asked(statements)) <= MOST_STATEMENTS, asked(statements)


@pytest.mark.parametrize("seen_before", [False, True])
def test_twenty_orders_that_the_catalog_does_not_know_cost_no_more(office: Office, seen_before: bool) -> None:
    """Each unknown code is noted for the catalog team, all of them together."""
    chart = new_chart("prescription")
    person, order = chart.resources
    orders = [
        {**order, "id": f"{order['id']}-{place}", "medicationCodeableConcept": {"coding": [unknown(place)]}}
        for place in range(20)
    ]
    office.say("fhir", {"resources": [person, *orders]})
    client, place = office.launch(chart.patient)
    if seen_before:
        client.get(place)
    with CaptureQueriesContext(connection) as statements:
        page = client.get(place)
    assert page.content.decode().count("No product for this code") == 20
    assert len(asked(statements)) <= MOST_STATEMENTS, asked(statements)


def unknown(place: int) -> dict[str, str]:
    return {"system": RXNORM, "code": f"99{place:05d}", "display": f"unheard-of {place} MG tablet"}
