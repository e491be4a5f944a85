"""What one launch costs the EHR: how many requests, and how many of them one after the other. Counted in the journal of
the sandbox EHR, which writes down when each request began and ended."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Desk
from tests.journeys.charts import Chart, new_chart

# Two web processes, each with caches of its own: each is cold once.
MOST_COLD = 8
LATENCY_MS = 150
# Published once, kept by each process: discovery and signing keys.
KEPT = ("/.well-known/smart-configuration", "/.well-known/openid-configuration", "/metadata", "/jwks", "keys")
Entry = dict[str, Any]


@pytest.fixture
def slow(desk: Desk) -> Iterator[None]:
    """Each answer of the EHR takes a while, so that what runs side by side can be told from what waits."""
    desk.call("POST", "/control/knobs", {"latency_ms": LATENCY_MS})
    yield
    desk.call("DELETE", "/control/knobs")


def asked(desk: Desk) -> list[Entry]:
    """What the app itself asked the EHR; the clinician's browser goes to /auth/authorize."""
    return [entry for entry in desk.journal("ehr") if "/auth/authorize" not in entry["path"]]


def warm_launch(live: Live, desk: Desk, patient: str) -> list[Entry]:
    """The requests of a launch for which nothing published had to be fetched, callback and first page."""
    for _ in range(MOST_COLD):
        desk.call("POST", "/control/reset", {"what": "journal"})
        page = Ada(live, desk).launch(patient)
        assert page.status == 200, page.text[:400]
        entries = asked(desk)
        if not any(part in entry["path"] for entry in entries for part in KEPT):
            return entries
    raise AssertionError(f"{MOST_COLD} launches, and each fetched what could have been kept: {paths(entries)}")


def paths(entries: Sequence[Entry]) -> list[str]:
    return [entry["path"] for entry in entries]


def depth(entries: Sequence[Entry]) -> int:
    """The longest row of requests of which each began after the one before had ended."""
    deep: list[tuple[Entry, int]] = []
    for entry in sorted(entries, key=lambda one: float(one["started"])):
        before = [level for earlier, level in deep if earlier["ended"] <= entry["started"]]
        deep.append((entry, 1 + max(before, default=0)))
    return max((level for _, level in deep), default=0)


def by_reference(chart: Chart, *medications: str) -> list[dict[str, Any]]:
    """Prescriptions that name their medicine by a reference."""
    (order,) = [one for one in chart.resources if one["resourceType"] == "MedicationRequest"]
    bare = {key: value for key, value in order.items() if key != "medicationCodeableConcept"}
    return [
        {**bare, "id": f"{order['id']}-{place}", "medicationReference": {"reference": reference}}
        for place, reference in enumerate(medications)
    ]


def test_the_callback_makes_one_request_and_the_page_one_wave(live: Live, desk: Desk, slow: None) -> None:
    entries = warm_launch(live, desk, "harold-nakamura")
    token, *wave = sorted(entries, key=lambda one: float(one["started"]))
    assert token["path"] == "/auth/token"
    assert all(entry["path"].startswith("/fhir/") for entry in wave)
    assert all(entry["started"] >= token["ended"] for entry in wave)
    assert depth(entries) == 2, paths(entries)


def test_twenty_prescriptions_cost_at_most_six_requests(live: Live, desk: Desk) -> None:
    entries = warm_launch(live, desk, "harold-nakamura")
    orders = desk.call("GET", "/control/fhir?type=MedicationRequest&patient=harold-nakamura")["resources"]
    assert sum("medicationReference" in order for order in orders) == 20
    assert len(entries) <= 6, paths(entries)


def test_without_include_one_more_wave_reads_each_reference_once(live: Live, desk: Desk, slow: None) -> None:
    chart = new_chart("prescription")
    medications = [row["id"] for row in desk.call("GET", "/control/fhir?type=Medication")["resources"][:5]]
    assert len(medications) == 5
    person = [one for one in chart.resources if one["resourceType"] == "Patient"]
    desk.put(*person, *by_reference(chart, *(f"Medication/{name}" for name in (*medications, medications[0]))))
    desk.call("POST", "/control/knobs", {"include": "ignore"})
    entries = warm_launch(live, desk, chart.patient)
    again = [path for path in paths(entries) if "/Medication/" in path or "/Practitioner/" in path]
    assert len(again) == len(set(again)) == 6, again
    assert len(entries) <= 6 + len(again), paths(entries)
    assert depth(entries) == 3, paths(entries)
