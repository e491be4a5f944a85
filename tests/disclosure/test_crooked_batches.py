"""EHRs that take a batch: what no search brought along is read in one request, and each entry speaks for itself."""

import json
import time

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.access import FhirAccess
from tests.disclosure.charts import Json, prescription
from tests.disclosure.conftest import Open
from tests.disclosure.fake_ehr import FakeEhr, Reply, reply
from tests.disclosure.reading import names, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_the_ehr")]
NAMES = [("Medicine 1", ""), ("Medicine 2", ""), ("Medicine 3", "")]


def medication(number: int) -> Json:
    return {"resourceType": "Medication", "id": f"m{number}", "code": {"text": f"Medicine {number}"}}


@pytest.fixture
def chart(ehr: FakeEhr) -> FakeEhr:
    """Three prescriptions whose medicines are named by reference only."""
    ehr.include, ehr.takes_batch = False, True
    for number in (1, 2, 3):
        said = {"reference": f"Medication/m{number}"}
        ehr.put(
            medication(number),
            prescription(id=f"rx-{number}", medicationCodeableConcept=None, medicationReference=said),
        )
    return ehr


@pytest.fixture
def batched(opened: Open) -> FhirAccess:
    return opened(honors_batch=True, honors_include=False)


def singles(ehr: FakeEhr) -> list[str]:
    return [path for path in ehr.paths() if path.startswith("Medication/")]


def test_distinct_references_are_one_request(chart: FakeEhr, batched: FhirAccess, by: Actor) -> None:
    assert names(page(batched, by)) == NAMES
    assert len(chart.asked) == 5
    (asked,) = [one for one in chart.asked if one.method == "POST"]
    urls = [one["request"]["url"] for one in json.loads(asked.body)["entry"]]
    assert [url.partition("?")[0] for url in urls] == ["Medication/m1", "Medication/m2", "Medication/m3"]
    assert all("_elements=" in url for url in urls), "in a batch, too, no more is asked for than the table has"
    assert singles(chart) == []


def test_one_reference_needs_no_batch(chart: FakeEhr, batched: FhirAccess, by: Actor) -> None:
    del chart.resources["MedicationRequest", "rx-2"], chart.resources["MedicationRequest", "rx-3"]
    assert names(page(batched, by)) == NAMES[:1]
    assert singles(chart) == ["Medication/m1"]


@pytest.mark.parametrize(
    "answer", [Reply(405), Reply(404), Reply(403), Reply(400, b"No batch"), Reply(500), Reply(200, b"<html>")]
)
def test_an_ehr_that_takes_none_after_all_is_asked_one_by_one(
    chart: FakeEhr, batched: FhirAccess, by: Actor, answer: Reply
) -> None:
    chart.answer("POST ", answer)
    assert names(page(batched, by)) == NAMES
    assert sorted(singles(chart)) == ["Medication/m1", "Medication/m2", "Medication/m3"]


@pytest.mark.smart("H70")
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_ehr_is_not_asked_one_by_one(chart: FakeEhr, batched: FhirAccess, by: Actor, status: int) -> None:
    chart.answer("POST ", Reply(status, b"", {"Retry-After": "0"}))
    found = page(batched, by)
    assert found.unread == ("3 references: not read",)
    assert singles(chart) == []
    assert [one.method for one in chart.asked].count("POST") == 1


@pytest.mark.smart("H70")
def test_an_entry_that_came_too_early_is_read_by_itself_a_moment_later(
    chart: FakeEhr, batched: FhirAccess, by: Actor
) -> None:
    chart.answer("GET Medication/m2", Reply(429), reply(medication(2)))
    began = time.monotonic()
    assert names(page(batched, by)) == NAMES
    assert time.monotonic() - began >= 0.2
    assert singles(chart) == ["Medication/m2"]


@pytest.mark.smart("H70")
def test_an_entry_that_is_gone_or_not_permitted_stands_alone(chart: FakeEhr, batched: FhirAccess, by: Actor) -> None:
    chart.answer("GET Medication/m1", Reply(410))
    chart.answer("GET Medication/m2", Reply(403))
    found = page(batched, by)
    assert names(found) == [("Order that cannot be read", "no_code")] * 2 + NAMES[2:]
    assert found.unread == ()


@pytest.mark.smart("H59")
def test_an_entry_with_another_resource_is_thrown_away_and_noted(
    chart: FakeEhr, batched: FhirAccess, by: Actor
) -> None:
    chart.answer("GET Medication/m2", reply(medication(3)))
    assert names(page(batched, by)) == [NAMES[0], ("Order that cannot be read", "unreadable"), NAMES[2]]
    assert AuditEvent.objects.filter(outcome="security", reason="other_resource").count() == 1


@pytest.mark.smart("F3")
def test_an_entry_whose_token_is_over_goes_on_with_a_fresh_one(chart: FakeEhr, opened: Open, by: Actor) -> None:
    chart.answer("GET Medication/m2", Reply(401), reply(medication(2)))
    access = opened(honors_batch=True, honors_include=False, renew=lambda old: f"not {old}")
    assert names(page(access, by)) == NAMES


def test_an_ehr_whose_row_does_not_say_so_gets_no_batch(chart: FakeEhr, opened: Open, by: Actor) -> None:
    assert names(page(opened(honors_include=False), by)) == NAMES
    assert not any(one.method == "POST" for one in chart.asked)
