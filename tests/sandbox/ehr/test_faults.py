"""Planted faults: each kind hits as often as it was planted, before or after the handler has done its work."""

import time

import pytest
import requests

from tests.sandbox.ehr.conftest import CY, task
from tests.sandbox.ehr.smart_client import SmartClient


@pytest.fixture
def chart(ehr: SmartClient) -> SmartClient:
    """A client that was opened in Cy's chart."""
    ehr.open_chart(CY)
    return ehr


def test_a_status_hits_as_often_as_planted(chart: SmartClient) -> None:
    chart.control("faults", _fault(kind="status", status=503, times=2, headers={"Retry-After": "2"}))

    answers = [chart.get(f"Patient/{CY}") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "2"


def test_html_where_json_was_due(chart: SmartClient) -> None:
    chart.control("faults", _fault(kind="html", status=200))

    assert chart.get(f"Patient/{CY}").headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("kind", ["drop_response", "reset", "truncate"])
def test_a_broken_answer_is_an_error_at_the_client(chart: SmartClient, kind: str) -> None:
    chart.control("faults", _fault(kind=kind))

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        chart.get(f"Patient/{CY}")
    assert chart.get(f"Patient/{CY}").status_code == 200


def test_after_accept_the_work_is_done_and_the_answer_lost(chart: SmartClient) -> None:
    marker = f"lost-{time.time()}"
    chart.control(
        "faults", {"partner": "ehr", "path": "/Task", "method": "POST", "kind": "reset", "after_accept": True}
    )

    with pytest.raises(requests.ConnectionError):
        chart.send("POST", "Task", task(marker))

    assert chart.get(f"Task?identifier=urn:test|{marker}").json()["total"] == 1


def test_a_delay_delays(chart: SmartClient) -> None:
    chart.control("faults", _fault(kind="delay", delay_s=0.3))
    started = time.perf_counter()

    assert chart.get(f"Patient/{CY}").status_code == 200
    assert time.perf_counter() - started >= 0.3


def test_a_fault_that_makes_no_sense_is_refused(chart: SmartClient) -> None:
    for wrong in ({"partner": "ehr", "kind": "magic"}, {"partner": "ehr", "kind": "reset", "path": "("}):
        with pytest.raises(requests.HTTPError):
            chart.control("faults", wrong)


def test_control_without_the_token_is_not_there(chart: SmartClient) -> None:
    assert requests.get(f"{chart.url}/control/journal", timeout=10).status_code == 404


def _fault(**changes: object) -> dict[str, object]:
    return {"partner": "ehr", "path": "/Patient/", **changes}
