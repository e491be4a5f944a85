"""Our address for EHRs: who sends is proved over the raw bytes, an event is one row however often it comes, and nothing
of a body is kept beside ids and times. [SMART-H75, H76, S1-S9, REL-P14, F32-F36]"""

import gzip
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from ehrcommerce.ehr import inbox, polling
from ehrcommerce.ehr.models import Notification, PollingWatermark, Scheme, Subscription
from tests.events.conftest import SECRET, Ward, hmac_hex, id_only
from tests.events.test_following import change, state

EVENT = {"events": [{"focus": "DeviceRequest/dev-1", "version": "4"}]}


def inbox_of(ward: Ward) -> list[tuple[str, str]]:
    rows = Notification.objects.filter(connection=ward.connection).order_by("pk")
    return sorted((row.resource_type, row.resource_id) for row in rows)


@pytest.mark.smart("H75")
def test_who_is_not_proved_is_refused_and_counted_and_nothing_is_kept(ward: Ward) -> None:
    event = id_only("DeviceRequest/dev-1")
    for headers in ({}, {"X-Ehrcommerce-Secret": ""}, {"X-Ehrcommerce-Secret": "the EHR's secre"}):
        assert ward.post(event, headers=headers) == 401
    ward.subscription.refresh_from_db()
    assert (ward.subscription.refused, inbox_of(ward), ward.reads()) == (3, [], [])


@pytest.mark.smart("H75")
def test_a_signature_is_of_these_bytes_and_no_other(ward: Ward) -> None:
    row = ward.subscribe(Scheme.WEBHOOK)
    body = json.dumps(EVENT).encode()
    moment = str(int(timezone.now().timestamp()))
    mac = hmac_hex(SECRET, f"e-1.{moment}.".encode() + body)
    headers = {"X-Event-Id": "e-1", "X-Timestamp": moment, "X-Signature": f"v1={mac}"}

    def post(raw: bytes, **changed: str) -> int:
        return ward.post(
            raw, row=row, headers=headers | {f"X-{name.title()}": value for name, value in changed.items()}
        )

    other_spelling = json.dumps(EVENT, separators=(",", ":")).encode()
    assert [post(other_spelling), post(body + b" "), post(body, signature="v1=é"), post(body, signature=mac)] == [
        401
    ] * 4
    assert ward.post(body, row=row, headers=headers | {"X-Event-Id": "e-2"}) == 401
    assert post(body) == 200
    assert inbox_of(ward) == [("DeviceRequest", "dev-1")]


@pytest.mark.smart("H75")
def test_an_old_or_early_timestamp_is_refused_and_a_replay_within_the_window_is_one_event(ward: Ward) -> None:
    row, now = ward.subscribe(Scheme.WEBHOOK), int(timezone.now().timestamp())
    assert [ward.webhook(EVENT, row=row, at=now + away) for away in (-320, 320)] == [401, 401]
    assert [ward.webhook(EVENT, row=row, at=now) for _ in range(3)] == [200, 200, 200]
    assert len(inbox_of(ward)) == 1


def test_both_secrets_are_good_while_one_is_being_changed(ward: Ward) -> None:
    row = ward.subscribe(Scheme.WEBHOOK, previous_secret="the one before")
    assert ward.webhook(EVENT, row=row, event="a") == 200
    assert ward.webhook(EVENT, row=row, event="b", secret="the one before") == 200
    assert ward.webhook(EVENT, row=row, event="c", secret="") == 401
    row.previous_secret = ""
    row.save()
    assert ward.webhook(EVENT, row=row, event="d", secret="the one before") == 401


def test_a_subscription_without_a_secret_lets_nobody_in(ward: Ward) -> None:
    row = ward.subscribe(Scheme.BACKPORT)
    row.secret = ""
    row.save()
    assert ward.post(id_only("DeviceRequest/dev-1"), row=row, headers={"X-Ehrcommerce-Secret": ""}) == 401


@pytest.mark.smart("H75")
def test_what_is_huge_packed_or_of_another_kind_is_refused_before_it_is_read(ward: Ward) -> None:
    event = json.dumps(id_only("DeviceRequest/dev-1")).encode()
    assert ward.post(event + b" " * 262_144) == 413
    packed = {"X-Ehrcommerce-Secret": SECRET, "Content-Encoding": "gzip"}
    assert ward.post(gzip.compress(event), headers=packed) == 415
    assert ward.post(event, media="text/plain") == 415
    assert ward.post(event, hook="11111111-2222-4333-8444-555555555555") == 404
    assert inbox_of(ward) == []


@pytest.mark.smart("H75")
def test_another_subscription_is_refused_and_an_operator_hears_of_it(ward: Ward) -> None:
    assert ward.post(id_only("DeviceRequest/dev-1", subscription="Subscription/18")) == 400
    assert ward.post(id_only("DeviceRequest/dev-1", subscription=f"{ward.ehr.base}/Subscription/17")) == 200
    ward.connection.refresh_from_db()
    assert ward.connection.alert == "other_subscription"
    assert len(inbox_of(ward)) == 1


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b'{"a":1,"a":2}', b"null", b'{"resourceType":"Bundle"}', b"[" * 9000,
    b'{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Patient"}}]}',
    b'{"resourceType":"Bundle","type":"history","entry":["x"]}', b"\xff\xfe",
], ids=lambda body: repr(body[:24]))  # fmt: skip
def test_what_is_no_notification_is_said_to_be_none(ward: Ward, body: bytes) -> None:
    assert ward.post(body) == 400
    assert inbox_of(ward) == []


@pytest.mark.smart("H76")
@pytest.mark.parametrize("focus", [
    "Patient/../x", "DeviceRequest/..", "https://elsewhere.example/fhir/R4/DeviceRequest/dev-1", "//elsewhere/DeviceRequest/1",
    "Observation/1", "DeviceRequest/dev-1?x=1", "DeviceRequest/" + "a" * 65, "#contained", "urn:uuid:1", "DeviceRequest/dev%2F1",
])  # fmt: skip
def test_a_focus_that_is_foreign_or_odd_is_dropped_and_counted(ward: Ward, focus: str) -> None:
    assert ward.post(id_only(focus)) == 200
    ward.subscription.refresh_from_db()
    assert (ward.subscription.dropped, inbox_of(ward), ward.reads()) == (1, [], [])


def test_all_events_of_a_notification_are_taken_and_again_is_once(ward: Ward) -> None:
    event = id_only("DeviceRequest/dev-1", f"{ward.ehr.base}/MedicationRequest/rx-1", number=2)
    assert [ward.post(event) for _ in range(3)] == [200, 200, 200]
    assert inbox_of(ward) == [("DeviceRequest", "dev-1"), ("MedicationRequest", "rx-1")]


def test_all_events_of_a_notification_are_one_insert(ward: Ward, django_assert_max_num_queries: Any) -> None:
    event = id_only(*(f"DeviceRequest/d-{number}" for number in range(300)), number=300)
    with django_assert_max_num_queries(40) as asked:
        assert ward.post(event) == 200
    inserts = [one for one in asked.captured_queries if one["sql"].startswith('INSERT INTO "ehr_notification"')]
    assert len(inserts) == 1
    assert len(inbox_of(ward)) == 300


def test_a_whole_resource_is_dropped_unread_but_for_its_id(ward: Ward, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it is in the database, nothing in the log."""
    caplog.set_level(logging.DEBUG)
    whole = {
        "fullUrl": "https://x",
        "resource": {"resourceType": "DeviceRequest", "id": "dev-1", "note": "CANARY-walker"},
    }
    assert ward.post(id_only("DeviceRequest/dev-1", entries=[whole])) == 200
    with connection.cursor() as cursor:
        for table in ("ehr_notification", "ehr_subscription", "outbox_effect"):
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%CANARY%%' OR t::text LIKE '%%dev-1%%'"
            )
            assert cursor.fetchone() == (0,)
    assert "CANARY" not in caplog.text
    assert "dev-1" not in caplog.text


def test_handshake_and_heartbeat_are_answered_with_200_and_count_no_event(ward: Ward) -> None:
    assert ward.post(id_only(kind="handshake", number=0)) == 200
    ward.subscription.refresh_from_db()
    assert (ward.subscription.state, ward.subscription.last_number) == ("active", "")
    assert ward.post(id_only(kind="heartbeat", number=9)) == 200
    ward.subscription.refresh_from_db()
    assert (ward.subscription.last_number, ward.subscription.gaps, inbox_of(ward)) == ("", 0, [])
    assert ward.post(id_only(kind="heartbeat", number=9, status="error")) == 200
    ward.subscription.refresh_from_db()
    assert ward.subscription.state == "error"


def test_an_answer_that_cannot_be_written_down_is_no_answer(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """F36: the EHR tells it again."""

    def down(*args: Any) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "take", down)
        assert ward.post(id_only("DeviceRequest/dev-1")) == 503
    assert ward.post(id_only("DeviceRequest/dev-1")) == 200
    assert len(inbox_of(ward)) == 1


def test_the_same_event_on_many_threads_at_once_is_one_row(ward: Ward) -> None:
    """F32 and P9 in small: 20 events, each ten times, eight at a time."""
    from django.test import Client

    def post(number: int) -> int:
        try:
            return int(Client().post(
                f"/hooks/ehr/{ward.subscription.hook_id}/", json.dumps(id_only(f"DeviceRequest/d-{number}", number=number)),
                content_type="application/fhir+json", headers={"X-Ehrcommerce-Secret": SECRET},
            ).status_code)  # fmt: skip
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, [number % 20 + 1 for number in range(200)]))
    assert set(answers) == {200}
    assert len(inbox_of(ward)) == 20


# -- the other schemes ------------------------------------------------------------------------------------------------
def test_medplum_signs_the_body_and_only_id_and_version_of_it_are_kept(ward: Ward) -> None:
    row = ward.subscribe(Scheme.MEDPLUM, counted=False)
    body = json.dumps(
        {"resourceType": "DeviceRequest", "id": "dev-1", "meta": {"versionId": "v-4"}, "status": "x"}
    ).encode()
    signed = {"X-Signature": hmac_hex(SECRET, body)}
    assert ward.post(body + b" ", row=row, headers=signed) == 401
    assert [ward.post(body, row=row, headers=signed) for _ in range(2)] == [200, 200]
    assert [(one.focus != "", one.version) for one in Notification.objects.filter(subscription=row)] == [(True, "v-4")]
    deleted = {"X-Signature": hmac_hex(SECRET, b"{}"), "X-Medplum-Deleted-Resource": "DeviceRequest/dev-2"}
    assert ward.post(b"{}", row=row, headers=deleted) == 200
    assert inbox_of(ward) == [("DeviceRequest", "dev-1"), ("DeviceRequest", "dev-2")]


def test_athenahealth_signs_as_websub_does_and_its_numbers_form_no_row(ward: Ward) -> None:
    row = ward.subscribe(Scheme.ATHENA, counted=False)
    body = json.dumps(id_only("MedicationRequest/rx-1", number=1)).encode()
    assert ward.post(body, row=row, headers={"X-Hub-Signature": hmac_hex(SECRET, body)}) == 401
    assert ward.post(body, row=row, headers={"X-Hub-Signature": f"sha256={hmac_hex(SECRET, body)}"}) == 200
    again = json.dumps(id_only("DeviceRequest/dev-1", number=1)).encode()
    assert ward.post(again, row=row, headers={"X-Hub-Signature": f"sha256={hmac_hex(SECRET, again)}"}) == 200
    row.refresh_from_db()
    assert (len(inbox_of(ward)), row.gaps, row.resets) == (2, 0, 0)


def test_a_plain_rest_hook_says_only_that_something_changed(ward: Ward) -> None:
    marks = polling.begin(ward.connection, at=timezone.now())
    Subscription.objects.filter(pk=ward.subscription.pk).update(scheme=Scheme.REST_HOOK)
    for mark in marks:
        mark.next_at = timezone.now() + timedelta(hours=1)
        mark.save()
    before = timezone.now()
    assert ward.post(b"") == 200
    assert {mark.next_at <= timezone.now() and mark.next_at >= before for mark in ward.connection.watermarks.all()} == {
        True
    }


def test_a_plain_rest_hook_is_enough_where_nobody_set_up_polling(ward: Ward) -> None:
    """It names nothing, so what changed in the last day is looked at; what an administrator switched off is not."""
    link = ward.link()
    Subscription.objects.filter(pk=ward.subscription.pk).update(
        scheme=Scheme.REST_HOOK, resource_types="DeviceRequest Patient"
    )
    assert not PollingWatermark.objects.filter(connection=ward.connection).exists()
    change(ward, 4, status="revoked")
    assert ward.post(b"") == 200
    (mark,) = PollingWatermark.objects.filter(connection=ward.connection)
    assert mark.resource_type == "DeviceRequest"
    assert polling.due(ward.shop.clinic.pk, timezone.now()) == 1
    ward.settle()
    assert state(link) == ("revoked", "not_active")
    off = timezone.now() + timedelta(hours=1)
    PollingWatermark.objects.filter(pk=mark.pk).update(enabled=False, next_at=off)
    assert ward.post(b"") == 200
    mark.refresh_from_db()
    assert (mark.enabled, mark.next_at) == (False, off)
