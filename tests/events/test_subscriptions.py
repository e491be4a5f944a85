"""Subscriptions that the app makes itself: made once, looked after, and without a token inside. [REL-P12]"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.ehr import backend_services, listening, subscriptions
from ehrcommerce.ehr.models import Notification, Scheme, Subscription
from ehrcommerce.outbox.models import Effect
from tests.disclosure.fake_ehr import Reply, reply
from tests.events.conftest import SECRET, Ward, id_only

TOPIC = "http://ehr.example/topics/orders"
PLACED = Reply(201, b"", {"Location": "https://ehr.example/fhir/R4/Subscription/17/_history/1"})


@pytest.fixture
def row(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Subscription:
    monkeypatch.setattr(backend_services, "token", lambda connection, *, scopes, refused="": "a-token")
    Subscription.objects.filter(pk=ward.subscription.pk).update(
        managed=True, topic=TOPIC, reference="", heartbeat_s=60, heard_at=timezone.now()
    )
    ward.subscription.refresh_from_db()
    return ward.subscription


def tend(ward: Ward, *, seconds: float = 0) -> None:
    listening.tend(ward.shop.clinic.pk, timezone.now() + timedelta(seconds=seconds))
    ward.shop.run()
    ward.subscription.refresh_from_db()


def bodies(ward: Ward, method: str) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in ward.ehr.asked if one.method == method]


def held(status: str = "active", **more: Any) -> Reply:
    return reply({"resourceType": "Subscription", "id": "17", "meta": {"versionId": "4"}, "status": status, **more})


def test_it_is_made_once_id_only_with_a_secret_of_its_own_and_no_token(ward: Ward, row: Subscription) -> None:
    ward.ehr.answer("POST Subscription", PLACED)
    tend(ward)
    tend(ward)
    (made,) = bodies(ward, "POST")
    (asked,) = [one for one in ward.ehr.asked if one.method == "POST"]
    assert ward.subscription.reference == "Subscription/17"
    assert asked.headers["If-None-Exist"].endswith(f"/hooks/ehr/{row.hook_id}/")
    assert (made["criteria"], made["status"], made["channel"]["type"]) == (TOPIC, "requested", "rest-hook")
    assert made["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only"
    assert made["channel"]["header"] == [f"X-Ehrcommerce-Secret: {SECRET}"]
    assert made["channel"]["extension"][0]["valueUnsignedInt"] == 60
    assert "a-token" not in json.dumps(made)
    assert bytes(Effect.objects.get(kind=subscriptions.MAKE, subject=str(row.public_id)).body) == b""


def test_an_answer_that_was_lost_is_asked_for_and_none_is_made_twice(ward: Ward, row: Subscription) -> None:
    ward.ehr.answer("POST Subscription", Reply(502, b""))
    tend(ward)
    endpoint = bodies(ward, "POST")[0]["channel"]["endpoint"]
    others = {"resourceType": "Subscription", "id": "3", "channel": {"endpoint": f"{endpoint}x"}}
    ours = {"resourceType": "Subscription", "id": "17", "channel": {"endpoint": endpoint}}
    entries = [{"resource": one} for one in (others, ours)]
    ward.ehr.answer("GET Subscription", reply({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    ward.shop.later(seconds=3600)
    tend(ward)
    assert ward.subscription.reference == "Subscription/17"
    assert len(bodies(ward, "POST")) == 1


@pytest.mark.parametrize("status", ["error", "off"])
def test_one_that_the_ehr_gave_up_is_asked_for_anew(ward: Ward, row: Subscription, status: str) -> None:
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/17", checked_at=None)
    ward.ehr.answer("GET Subscription/17", held(status))
    ward.ehr.answer("PUT Subscription/17", Reply(200, b""))
    tend(ward)
    (asked,) = [one for one in ward.ehr.asked if one.method == "PUT"]
    assert (asked.headers["If-Match"], json.loads(asked.body)["status"]) == ('W/"4"', "requested")
    assert json.loads(asked.body)["id"] == "17"
    assert ward.subscription.state == "requested"
    ward.post(id_only(kind="handshake", number=0))
    ward.subscription.refresh_from_db()
    assert ward.subscription.state == "active"


def test_one_that_works_is_left_alone_and_looked_at_once_an_hour(ward: Ward, row: Subscription) -> None:
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/17", checked_at=None)
    ward.ehr.answer("GET Subscription/17", held(end=(timezone.now() + timedelta(days=9)).isoformat()))
    for _ in range(3):
        tend(ward)
    assert ward.reads() == ["GET Subscription/17", "GET Subscription/17/$status"]
    assert ward.subscription.state == "active"


def test_one_that_ends_soon_is_prolonged(ward: Ward, row: Subscription) -> None:
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/17", checked_at=None)
    ward.ehr.answer("GET Subscription/17", held(end=(timezone.now() + timedelta(days=2)).isoformat()))
    ward.ehr.answer("PUT Subscription/17", Reply(200, b""))
    tend(ward)
    (written,) = bodies(ward, "PUT")
    assert written["end"] > (timezone.now() + timedelta(days=29)).isoformat()


def test_one_that_is_gone_is_made_again(ward: Ward, row: Subscription) -> None:
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/16", checked_at=None)
    ward.ehr.answer("GET Subscription/16", Reply(404, b""))
    ward.ehr.answer("POST Subscription", PLACED)
    tend(ward)
    assert ward.subscription.reference == "Subscription/17"


def test_what_was_missed_is_fetched_by_its_numbers(ward: Ward, row: Subscription) -> None:
    """`$events` brings the ids; without it, or where not all came, everything is looked at."""
    ward.link("prescription", ("MedicationRequest", "rx-1"))
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/17", checked_at=timezone.now())
    for number in (1, 3):
        ward.post(id_only("DeviceRequest/dev-1", number=number))
    ward.ehr.answer("GET Subscription/17/$events", reply(id_only("MedicationRequest/rx-1", number=2, kind="query-event")))
    ward.ehr.asked.clear()
    tend(ward, seconds=61)
    (asked,) = [one for one in ward.ehr.asked if one.path.endswith("$events")]
    assert (asked.values("eventsSinceNumber"), asked.values("eventsUntilNumber")) == (["2"], ["2"])
    assert ward.subscription.gap_since is None
    assert Notification.objects.filter(subscription=row, number="2", resource_type="MedicationRequest").exists()
    assert "GET MedicationRequest/rx-1" in ward.reads()


def test_an_ehr_without_events_operation_makes_us_look_at_everything(ward: Ward, row: Subscription) -> None:
    ward.link()
    Subscription.objects.filter(pk=row.pk).update(reference="Subscription/17", checked_at=timezone.now())
    for number in (1, 3):
        ward.post(id_only("MedicationRequest/nobody", number=number))
    tend(ward, seconds=61)
    assert "GET DeviceRequest/dev-1" in ward.reads()


def test_answers_to_questions_do_not_come_by_themselves(ward: Ward) -> None:
    assert ward.post(id_only("DeviceRequest/dev-1", kind="query-event")) == 200
    assert ward.states() == []


def test_without_an_agreement_nothing_is_made(ward: Ward, row: Subscription) -> None:
    from ehrcommerce.accounts.models import Agreement

    Agreement.objects.filter(party=ward.connection.party).update(effective="2099-01-01")
    tend(ward)
    assert ward.reads() == []
    assert ward.shop.effect(subscriptions.MAKE, row.public_id).code == "no_agreement"


def test_medplum_is_given_its_secret_where_it_looks_for_it(ward: Ward) -> None:
    row = ward.subscribe(Scheme.MEDPLUM, topic="DeviceRequest")
    made = subscriptions.resource_of(row, timezone.now())
    assert made["extension"][0]["valueString"] == SECRET
    assert "header" not in made["channel"]
