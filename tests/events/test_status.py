"""`$status`: the EHR's own count shows what was lost at the end, where no later number could. [REL-P12]"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.ehr import backend_services
from ehrcommerce.ehr.models import Subscription
from tests.disclosure.charts import device
from tests.disclosure.fake_ehr import Reply, reply
from tests.events.conftest import Ward, at_version, id_only
from tests.events.test_following import state
from tests.events.test_subscriptions import TOPIC, held, tend


def stands(number: int | str, status: str = "active", **more: Any) -> Reply:
    """What `$status` answers."""
    told = id_only(number=number, kind="query-status", status=status, **more)
    return reply({"resourceType": "Bundle", "type": "searchset", "entry": told["entry"]})


@pytest.fixture
def row(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Subscription:
    monkeypatch.setattr(backend_services, "token", lambda connection, *, scopes, refused="": "a-token")
    Subscription.objects.filter(pk=ward.subscription.pk).update(managed=True, topic=TOPIC, heard_at=timezone.now())
    ward.ehr.answer("GET Subscription/17", held())
    ward.ehr.answer("PUT Subscription/17", Reply(200, b""))
    return ward.subscription


def asked(ward: Ward, operation: str) -> list[Mapping[str, Any]]:
    return [one.__dict__ for one in ward.ehr.asked if one.path.endswith(operation)]


def test_the_last_events_that_were_lost_are_found_by_the_count(ward: Ward, row: Subscription) -> None:
    link = ward.link()
    ward.post(id_only("MedicationRequest/nobody", number=1))
    ward.ehr.put(at_version(device(), 4, status="revoked"))
    ward.ehr.answer("GET Subscription/17/$status", stands(3))
    tend(ward)
    row.refresh_from_db()
    assert (row.last_number, row.gap_from, row.gap_to, row.gaps) == ("3", "2", "3", 1)
    tend(ward, seconds=70)  # `$events` is not offered: everything is looked at
    ward.settle()
    assert state(link) == ("revoked", "not_active")


def test_a_count_that_fits_changes_nothing(ward: Ward, row: Subscription) -> None:
    ward.post(id_only("MedicationRequest/nobody", number=3))
    ward.ehr.answer("GET Subscription/17/$status", stands(3))
    tend(ward)
    row.refresh_from_db()
    assert len(asked(ward, "$status")) == 1
    assert (row.gaps, row.resets, row.state) == (0, 0, "active")


def test_a_count_that_began_anew_is_taken_over(ward: Ward, row: Subscription) -> None:
    ward.post(id_only("MedicationRequest/nobody", number=9))
    ward.ehr.answer("GET Subscription/17/$status", stands(1))
    tend(ward)
    row.refresh_from_db()
    assert (row.last_number, row.resets, row.gap_since) == ("1", 1, None)


@pytest.mark.parametrize("status", ["error", "off"])
def test_what_status_calls_given_up_is_asked_for_anew_whatever_the_resource_says(
    ward: Ward, row: Subscription, status: str
) -> None:
    ward.ehr.answer("GET Subscription/17/$status", stands(0, status))
    tend(ward)
    assert [one.path for one in ward.ehr.asked if one.method == "PUT"] == ["Subscription/17"]
    row.refresh_from_db()
    assert row.state == "requested"


@pytest.mark.parametrize("answer", [
    Reply(405, b""), Reply(500, b""), Reply(200, b"<html>"), reply({"resourceType": "Bundle", "entry": []}),
    stands(7, subscription="Subscription/of-others"), stands("-1"),
])  # fmt: skip
def test_an_answer_that_says_nothing_counts_nothing(ward: Ward, row: Subscription, answer: Reply) -> None:
    ward.post(id_only("MedicationRequest/nobody", number=2))
    ward.ehr.answer("GET Subscription/17/$status", answer)
    tend(ward)
    row.refresh_from_db()
    assert (row.last_number, row.gaps, row.resets, row.state) == ("2", 0, 0, "active")


def test_a_gap_without_events_operation_asks_how_it_stands_and_wakes_it(ward: Ward, row: Subscription) -> None:
    Subscription.objects.filter(pk=row.pk).update(checked_at=timezone.now() + timedelta(minutes=2))
    for number in (1, 3):
        ward.post(id_only("MedicationRequest/nobody", number=number))
    ward.ehr.answer("GET Subscription/17/$status", stands(3, "error"))
    tend(ward, seconds=61)
    assert [one.path for one in ward.ehr.asked if one.method == "PUT"] == ["Subscription/17"]
