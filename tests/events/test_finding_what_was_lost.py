"""Events get lost: numbers that are missing, counts that begin anew, silence, and looking by ourselves find what they
said. [SMART-H77, S8-S16, REL-P12]"""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.ehr import alerts, listening, polling
from ehrcommerce.ehr.models import Notification, PollingWatermark, Subscription
from tests.disclosure.charts import device, prescription
from tests.disclosure.fake_ehr import Reply, reply
from tests.events.conftest import Ward, at_version, id_only
from tests.events.test_following import change, state


def row_of(ward: Ward) -> Subscription:
    ward.subscription.refresh_from_db()
    return ward.subscription


def send(ward: Ward, *numbers: int, at: str = "") -> None:
    for number in numbers:
        moment = at or (timezone.now() - timedelta(days=1) + timedelta(seconds=number % 1000)).isoformat()
        assert ward.post(id_only("DeviceRequest/dev-1", number=number, at=moment)) == 200


def tend(ward: Ward, *, seconds: float = 61) -> int:
    return listening.tend(ward.shop.clinic.pk, timezone.now() + timedelta(seconds=seconds))


# -- numbers -----------------------------------------------------------------------------------------------------------
@pytest.mark.smart("H77")
def test_a_number_that_is_missing_for_a_minute_makes_us_look_at_everything(ward: Ward) -> None:
    link = ward.link("prescription", ("MedicationRequest", "rx-1"))
    send(ward, 1, 2)
    ward.ehr.put(at_version(prescription(), 4, status="cancelled"))  # event 3, which nobody ever told us
    send(ward, 4)
    assert (row_of(ward).gaps, row_of(ward).gap_from, row_of(ward).gap_to) == (1, "3", "3")
    assert tend(ward, seconds=30) == 0
    assert tend(ward) == 1
    assert (row_of(ward).gap_since, row_of(ward).gaps) == (None, 1)
    ward.settle()
    assert state(link) == ("revoked", "not_active")


@pytest.mark.smart("H77")
def test_what_comes_late_and_in_disorder_closes_its_gap_without_a_sweep(ward: Ward) -> None:
    ward.link()
    send(ward, 1, 5, 3, 2, 4)
    assert (row_of(ward).gaps, row_of(ward).last_number, row_of(ward).resets) == (1, "5", 0)
    tend(ward)
    assert row_of(ward).gap_since is None
    ward.drain()
    ward.shop.run("ehr.poll")
    assert ward.reads() == []


@pytest.mark.smart("H77")
def test_a_repeat_is_one_event(ward: Ward) -> None:
    send(ward, 1, 2, at="2026-11-02T15:00:00Z")
    send(ward, 2, 1, 2, at="2026-11-02T15:00:00Z")
    assert (Notification.objects.filter(subscription=ward.subscription).count(), row_of(ward).last_number) == (2, "2")
    assert (row_of(ward).gaps, row_of(ward).resets) == (0, 0)


@pytest.mark.smart("H77")
def test_a_count_that_begins_anew_is_a_new_count_and_no_event_of_it_is_taken_for_an_old_one(ward: Ward) -> None:
    polling.begin(ward.connection, at=timezone.now() + timedelta(hours=1))
    send(ward, 1, 2, 3, at="2026-11-02T15:00:00Z")
    send(ward, 1, at="2026-11-02T16:00:00Z")
    assert (row_of(ward).resets, row_of(ward).last_number, row_of(ward).gaps) == (1, "1", 0)
    assert Notification.objects.filter(subscription=ward.subscription, number="1").count() == 2
    assert set(ward.connection.watermarks.values_list("next_at", flat=True).distinct()) != set()
    assert all(mark.next_at <= timezone.now() for mark in ward.connection.watermarks.all())
    send(ward, 2, at="2026-11-02T16:01:00Z")
    assert (row_of(ward).resets, row_of(ward).gaps) == (1, 0)


@pytest.mark.smart("H77")
def test_numbers_beyond_any_machine_word_stay_what_they_are(ward: Ward) -> None:
    big = 2**63 + 5
    send(ward, big, big + 1, big + 3)
    assert (row_of(ward).last_number, row_of(ward).gap_from) == (str(big + 3), str(big + 2))
    send(ward, 10**39)
    assert row_of(ward).gap_to == str(10**39 - 1)
    assert tend(ward) == 1, "so many are not asked for one by one"


@pytest.mark.smart("H77")
@pytest.mark.parametrize("number", ["-1", "1.5", "0x10", "\u0661", "", "9" * 41, "NaN", " 7"])
def test_an_odd_number_is_no_number_and_the_event_counts(ward: Ward, number: str) -> None:
    event = id_only("DeviceRequest/dev-1")
    event["entry"][0]["resource"]["parameter"][-1]["part"][0]["valueString"] = number
    event["entry"][0]["resource"]["parameter"][3]["valueString"] = number
    assert ward.post(event) == 200
    assert Notification.objects.get(subscription=ward.subscription).number == ("7" if number == " 7" else "")
    assert (row_of(ward).gaps, row_of(ward).resets) == (0, 0)


def test_a_number_that_is_a_json_number_keeps_its_characters(ward: Ward) -> None:
    raw = json.dumps(id_only("DeviceRequest/dev-1", number=5)).replace(
        '"valueString": "5"', f'"valueInteger64": {2**70}'
    )
    assert ward.post(raw.encode()) == 200
    assert row_of(ward).last_number == str(2**70)


# -- silence -----------------------------------------------------------------------------------------------------------
def test_silence_is_an_alert_and_a_look_at_everything_once(ward: Ward) -> None:
    link = ward.link()
    Subscription.objects.filter(pk=ward.subscription.pk).update(heartbeat_s=60)
    ward.post(id_only(kind="handshake", number=0))
    change(ward, 4, status="revoked")
    assert tend(ward, seconds=110) == 0
    assert tend(ward, seconds=130) == 1
    assert tend(ward, seconds=500) == 0, "said once"
    ward.connection.refresh_from_db()
    assert (row_of(ward).state, alerts.QUIET in ward.connection.standing_alerts) == ("silent", True)
    ward.settle()
    assert state(link)[0] == "revoked"
    ward.post(id_only(kind="heartbeat", number=0))
    assert row_of(ward).state == "active"


# -- looking by ourselves ----------------------------------------------------------------------------------------------
def test_without_one_notification_a_look_leads_to_the_same_ends(ward: Ward) -> None:
    links = {
        "changed": ward.link(), "same": ward.link("prescription", ("MedicationRequest", "rx-1")),
    }  # fmt: skip
    PollingWatermark.objects.all().delete()
    for mark in polling.begin(ward.connection, at=timezone.now()):
        mark.since_at = timezone.now() - timedelta(hours=2)
        mark.save()
    change(ward, 9, status="revoked")
    ward.poll()
    ward.settle()
    assert {name: state(link)[0] for name, link in links.items()} == {"changed": "revoked", "same": "verified"}
    assert all(mark.polled_at and not mark.code for mark in ward.connection.watermarks.all())


def test_what_was_deleted_is_found_by_its_id(ward: Ward) -> None:
    link = ward.link()
    del ward.ehr.resources["DeviceRequest", "dev-1"]
    assert polling.sweep(ward.connection, at=timezone.now()) == 1
    ward.settle(passing_s=11)
    assert state(link) == ("revoked", "order_gone")


def test_the_mark_moves_to_what_was_seen_and_looks_back_over_it(ward: Ward) -> None:
    mark = one_mark(ward)
    began = mark.since_at
    ward.poll()
    mark.refresh_from_db()
    seen = ward.ehr.resources["DeviceRequest", "dev-1"]["meta"]["lastUpdated"]
    assert mark.since_at.isoformat().replace("+00:00", "Z") == seen
    ward.ehr.asked.clear()
    del ward.ehr.resources["DeviceRequest", "dev-1"]
    ward.poll()
    (since,) = [one.values("_lastUpdated")[0] for one in ward.ehr.asked if one.path == "DeviceRequest"]
    assert since == "ge" + (mark.since_at - timedelta(seconds=120)).isoformat().replace("+00:00", "Z")
    moved = PollingWatermark.objects.get(pk=mark.pk).since_at
    assert moved == mark.since_at > began, "nothing seen: it stays"


def test_what_is_dated_in_the_future_does_not_hide_what_comes_before(ward: Ward) -> None:
    mark = one_mark(ward)
    ward.ehr.put({**device(), "meta": {"versionId": "4", "lastUpdated": "2126-01-01T00:00:00Z"}})
    ward.poll()
    mark.refresh_from_db()
    assert mark.since_at <= timezone.now()


def test_an_ehr_that_does_not_answer_is_asked_less_and_less_and_nothing_moves(ward: Ward) -> None:
    mark = one_mark(ward)
    ward.ehr.answer("GET DeviceRequest", Reply(500, b""))
    waits = []
    for _ in range(3):
        ward.poll()
        before, mark = mark.since_at, PollingWatermark.objects.get(pk=mark.pk)
        assert (mark.since_at, mark.code) == (before, "unanswered")
        waits.append((mark.next_at - timezone.now()).total_seconds())
    assert waits[0] < waits[1] < waits[2]
    ward.ehr.replies.clear()
    ward.poll()
    assert PollingWatermark.objects.get(pk=mark.pk).failures == 0


def test_the_same_version_seen_twice_is_one_hint(ward: Ward) -> None:
    one_mark(ward)
    ward.poll()
    ward.poll()
    assert Notification.objects.filter(connection=ward.connection, resource_type="DeviceRequest").count() == 1


def test_a_search_that_names_others_or_rubbish_harms_nothing(ward: Ward) -> None:
    one_mark(ward)
    odd = [{"resource": one} for one in (
        {"resourceType": "Patient", "id": "x"}, {"resourceType": "DeviceRequest", "id": "../x"}, {"resourceType": "DeviceRequest"},
        {"resourceType": "DeviceRequest", "id": "y", "subject": {"reference": "https://elsewhere/Patient/1"}},
    )]  # fmt: skip
    ward.ehr.answer("GET DeviceRequest", reply({"resourceType": "Bundle", "type": "searchset", "entry": odd}))
    ward.poll()
    assert Notification.objects.filter(connection=ward.connection, resource_type="DeviceRequest").count() == 0


def one_mark(ward: Ward) -> PollingWatermark:
    marks = polling.begin(ward.connection, at=timezone.now())
    since = timezone.now() - timedelta(hours=3)
    PollingWatermark.objects.filter(connection=ward.connection).update(since_at=since)
    (mark,) = [one for one in marks if one.resource_type == "DeviceRequest"]
    mark.refresh_from_db()
    return mark
