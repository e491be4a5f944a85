"""What a busy EHR costs the clinician and the EHR: one look, no waiting, and a page that names the time to come back."""

import time
from collections.abc import Iterator

import pytest

from tests.counts.office import Office

CHART = "harold-nakamura"
LIMITED = {"requests": 0, "seconds": 60, "endpoints": ["fhir"], "retry_after": 300}


@pytest.fixture
def limited(office: Office) -> Iterator[Office]:
    """Its EHR takes no more questions about charts."""
    office.say("knobs", {"rate_limit": LIMITED})
    yield office
    office.forget("knobs")


@pytest.mark.smart("H70")
def test_a_busy_ehr_is_named_with_the_time_to_come_back_and_asked_once(limited: Office) -> None:
    client, place = limited.launch(CHART)
    since, began = limited.mark(), time.monotonic()
    answer = client.get(place)
    assert time.monotonic() - began < 2
    said = answer.content.decode()
    assert answer.status_code == 503
    assert "The EHR is busy" in said
    assert "Nothing was sent. Try again in 5 minutes or later." in said
    asked = [entry["path"] for entry in limited.journal(since)]
    assert len(asked) == len(set(asked)) <= 5, asked
