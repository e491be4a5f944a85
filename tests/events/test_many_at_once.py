"""Many notifications at once wait for none of each other: what is acknowledged takes no lock that another one could hold, and
asks the database the same few things however many events it brings. [REL-P9]"""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from ehrcommerce.ehr import inbox
from ehrcommerce.ehr.models import EhrConnection, Hearing, Notification, Scheme, Subscription
from ehrcommerce.outbox.models import Effect
from ehrcommerce.vault import walls
from tests.events.conftest import FHIR, SECRET, Ward, id_only

# What an acknowledgment may ask of the database, with two of the test's own; one that comes while a look is about to begin asks
# for less.
MOST_SQL, MOST_SQL_BELL_HANGS = 24, 11


def post_elsewhere(ward: Ward, *bodies: dict[str, Any], hook: str = "", secret: str = SECRET) -> list[int]:
    """All at once, each on a thread with a connection of its own, which waits for a lock for two seconds."""

    def post(body: dict[str, Any]) -> int:
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            address = f"/hooks/ehr/{hook or ward.subscription.hook_id}/"
            said = {"X-Ehrcommerce-Secret": secret}
            return int(Client().post(address, json.dumps(body), content_type=FHIR, headers=said).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(post, bodies))


def row_of(ward: Ward) -> Subscription:
    ward.subscription.refresh_from_db()
    return ward.subscription


@pytest.mark.parametrize("counted", [True, False])
def test_a_locked_subscription_keeps_no_ehr_waiting_and_its_numbers_are_counted_afterwards(
    ward: Ward, counted: bool
) -> None:
    """A drain, an operator and a look at the EHR may have the row in hand, each of them while two notifications come."""
    Subscription.objects.filter(pk=ward.subscription.pk).update(counted=counted)
    with transaction.atomic():
        Subscription.objects.select_for_update(no_key=True).get(pk=ward.subscription.pk)
        EhrConnection.objects.select_for_update(no_key=True).get(pk=ward.connection.pk)
        bodies = [id_only("DeviceRequest/dev-1", number=2), id_only("DeviceRequest/dev-2", number=5)]
        assert post_elsewhere(ward, *bodies) == [200, 200]
        assert post_elsewhere(ward, id_only(kind="handshake", number=0), id_only("Observation/1", number=6)) == [
            200,
            200,
        ]
        assert post_elsewhere(ward, bodies[0], secret="a guess") == [401]
        assert sorted(Notification.objects.filter(connection=ward.connection).values_list("number", flat=True)) == [
            "2",
            "5",
        ]
    assert row_of(ward).heard_at is None
    ward.count()
    row = row_of(ward)
    assert (row.state, row.dropped, row.heard_at is not None) == ("active", 1, True)
    assert (row.last_number, row.gap_from, row.gap_to) == (("6", "3", "4") if counted else ("", "", ""))
    assert Hearing.objects.filter(subscription=row).count() == 0


def test_a_lock_in_the_way_of_an_acknowledgment_is_found(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that is put into the program."""
    take = inbox.take

    @transaction.atomic
    def locking(row: Subscription, *words: Any) -> None:
        Subscription.objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
        take(row, *words)

    monkeypatch.setattr(inbox, "take", locking)
    with transaction.atomic():
        Subscription.objects.select_for_update(no_key=True).get(pk=ward.subscription.pk)
        assert post_elsewhere(ward, id_only("DeviceRequest/dev-1", number=2)) == [503]


def test_whoever_finds_the_row_in_another_hand_leaves_the_counting_to_the_next_look(ward: Ward) -> None:
    assert post_elsewhere(ward, id_only("DeviceRequest/dev-1", number=1)) == [200]
    with transaction.atomic():
        Subscription.objects.select_for_update(no_key=True).get(pk=ward.subscription.pk)

        def fold(_: int) -> int:
            try:
                with walls.organization(ward.shop.clinic.pk):
                    return inbox.fold(ward.subscription.pk, timezone.now())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            assert list(pool.map(fold, [0])) == [0]
    ward.drain()
    assert row_of(ward).last_number == "1"


def test_hundreds_on_many_threads_are_each_counted_once(ward: Ward) -> None:
    """Two count at the same time as others tell: no number is lost and none is missing."""
    numbers = list(range(1, 121))
    for start in range(0, len(numbers), 8):
        bodies = [id_only("Observation/1", number=number) for number in numbers[start : start + 8]]
        assert set(post_elsewhere(ward, *bodies)) == {200}
        if start % 3 == 0:
            ward.count()
    ward.count()
    row = row_of(ward)
    assert (row.last_number, row.dropped) == ("120", 120)
    assert Hearing.objects.filter(subscription=row).count() == 0


def test_a_notification_of_which_nobody_heard_the_bell_is_counted_by_the_sweeper(ward: Ward) -> None:
    from ehrcommerce.ehr import drain

    assert post_elsewhere(ward, id_only(kind="handshake", number=0)) == [200]
    assert drain.pick_up(ward.shop.clinic.pk, timezone.now() + timedelta(seconds=10)) == 1
    ward.shop.run()
    assert row_of(ward).state == "active"


@pytest.mark.parametrize("scheme", [Scheme.BACKPORT, Scheme.REST_HOOK])
def test_an_acknowledgment_asks_the_database_for_little_and_locks_nothing(
    ward: Ward, scheme: str, django_assert_max_num_queries: Any
) -> None:
    Subscription.objects.filter(pk=ward.subscription.pk).update(scheme=scheme)

    def body(number: int) -> Any:
        if scheme == Scheme.REST_HOOK:
            return {"resourceType": "DeviceRequest", "id": f"d-{number}", "meta": {"versionId": "1"}}
        return id_only(*(f"DeviceRequest/d-{number}-{one}" for one in range(100)), number=number)

    asked: list[str] = []
    for number, most in ((100, MOST_SQL), (200, MOST_SQL_BELL_HANGS), (300, MOST_SQL_BELL_HANGS)):
        with django_assert_max_num_queries(most) as captured:
            assert post_here(ward, body(number)) == 200
        asked += [one["sql"] for one in captured.captured_queries]
    on_rows = [one for one in asked if "ehr_subscription" in one or "ehr_ehrconnection" in one]
    assert on_rows, "the subscription is read"
    assert [one for one in on_rows if "FOR " in one or one.startswith("UPDATE")] == []
    events = [one for one in asked if one.startswith('INSERT INTO "ehr_notification"')]
    assert len(events) == 3


def test_while_a_look_is_under_way_a_flood_of_events_plans_one_more(ward: Ward) -> None:
    """The look that has begun may have read before them; the next one sees them all, and begins a second later."""
    looks = Effect.objects.filter(kind=inbox.DRAIN, subject=str(ward.connection.public_id))
    assert post_elsewhere(ward, id_only("DeviceRequest/dev-1", number=1)) == [200]
    assert looks.count() == 1
    looks.update(lease_until=timezone.now() + timedelta(minutes=1))
    for number in range(2, 8):
        assert post_elsewhere(ward, id_only("DeviceRequest/dev-1", number=number)) == [200]
    assert looks.count() == 2
    begun, waits = looks.order_by("generation")
    assert waits.next_run_at is not None
    assert begun.next_run_at is not None
    assert waits.next_run_at - begun.next_run_at >= timedelta(seconds=1)
    looks.filter(pk=begun.pk).update(lease_until=None, state="done")
    assert post_elsewhere(ward, id_only("DeviceRequest/dev-1", number=8)) == [200]
    assert looks.count() == 2, "the one that waits sees this one too"


def post_here(ward: Ward, body: Any) -> int:
    """On this thread, without the counting that `Ward.post` lets follow."""
    walls.leave()
    try:
        address, said = f"/hooks/ehr/{ward.subscription.hook_id}/", {"X-Ehrcommerce-Secret": SECRET}
        return int(Client().post(address, json.dumps(body), content_type=FHIR, headers=said).status_code)
    finally:
        walls.enter(ward.shop.clinic.pk)
