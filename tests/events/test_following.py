"""What follows from a hint: what is being sold is read again and stopped by stage, a link that says something else than the
chart ends, and nothing follows from what nobody here knows. [REL-P11, P13, P14, J7]"""

from datetime import timedelta

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.ehr import arrivals, polling, versions
from ehrcommerce.ehr.models import ChartReference, Notification, Scheme, Subscription
from ehrcommerce.outbox.models import Effect
from tests.disclosure.charts import device, patient
from tests.events.conftest import Ward, at_version, id_only


def state(link: PurchaseLink) -> tuple[str, str]:
    link.refresh_from_db()
    return link.state, link.end_reason


def change(ward: Ward, version: int, **changes: object) -> None:
    ward.ehr.put(at_version(device(), version, **changes))


# -- links that nobody ordered from yet ----------------------------------------------------------------------------
OTHER_CODE = {"coding": [{"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "E0105"}]}


@pytest.mark.parametrize(("changes", "end"), [
    ({"codeCodeableConcept": OTHER_CODE}, ("superseded", "order_changed")),
    ({"status": "revoked"}, ("revoked", "not_active")),
    ({"status": "on-hold"}, ("revoked", "on_hold")),
    ({"status": "completed"}, ("revoked", "not_active")),
    ({"status": "entered-in-error"}, ("revoked", "entered_in_error")),
    ({"note": [{"text": "call before"}]}, ("verified", "")),
])  # fmt: skip
def test_a_link_ends_where_the_chart_says_something_else(
    ward: Ward, changes: dict[str, object], end: tuple[str, str]
) -> None:
    link = ward.link()
    change(ward, 4, **changes)
    assert ward.post(id_only("DeviceRequest/dev-1")) == 200
    assert ward.reads() == [], "nothing is read while the EHR waits for its answer"
    ward.settle()
    assert state(link) == end
    assert ward.states() == ["done"]


def test_gone_counts_when_it_is_said_twice(ward: Ward) -> None:
    link = ward.link()
    there = ward.ehr.resources.pop(("DeviceRequest", "dev-1"))
    ward.post(id_only("DeviceRequest/dev-1"))
    ward.settle()
    assert state(link)[0] == "verified"
    ward.ehr.put(there)
    ward.settle(passing_s=11)
    assert state(link)[0] == "verified", "a copy of the database that lagged"
    del ward.ehr.resources["DeviceRequest", "dev-1"]
    ward.post(id_only("DeviceRequest/dev-1", number=2))
    ward.settle(passing_s=11)
    assert state(link) == ("revoked", "order_gone")


@pytest.mark.parametrize("what", [{"deceasedBoolean": True}, {"active": False}])
def test_who_died_or_was_merged_is_sold_nothing(ward: Ward, what: dict[str, object]) -> None:
    link = ward.link()
    ward.ehr.put({**patient(), **what})
    ward.post(id_only("Patient/cy"))
    ward.settle()
    assert state(link)[0] == "revoked"


# -- orders ------------------------------------------------------------------------------------------------------------
def test_a_cancel_a_moment_before_the_dispatch_stops_it(ward: Ward) -> None:
    """The event marks the order at once, whoever reads it later: the act does not go on with the older check."""
    order = ward.paid()
    change(ward, 4, status="revoked")
    ward.post(id_only("DeviceRequest/dev-1"))
    ward.drain()
    order = ward.shop.fresh(order)
    assert order.event_at is not None
    ward.settle()
    assert ward.shop.devices.placed == []
    assert ward.shop.fresh(order).state == "cancelled"
    assert ward.shop.fulfillment(order).state == "cancelled"


def test_an_event_without_a_change_stops_nothing(ward: Ward) -> None:
    order = ward.paid()
    ward.post(id_only("DeviceRequest/dev-1"))
    ward.settle(passing_s=1)
    assert ward.shop.fresh(order).state == "dispatched"


# -- versions (P13) ------------------------------------------------------------------------------------------------
def test_an_older_version_than_the_one_named_is_never_acted_on(ward: Ward) -> None:
    """Asked for again until the copy has caught up; an alarm after a quarter of an hour."""
    link, row = ward.link(), ward.subscribe(Scheme.WEBHOOK)
    ward.webhook({"focus": "DeviceRequest/dev-1", "version": "5"}, row=row)
    change(ward, 4, status="revoked")
    ward.settle()
    assert state(link)[0] == "verified"
    effect = ward.shop.effect("fulfillment.relook", link.public_id)
    assert (effect.state, effect.code) == ("planned", "chart_unreachable")
    assert versions.alarm(ward.shop.clinic.pk, timezone.now() + timedelta(minutes=14)) == 0
    assert versions.alarm(ward.shop.clinic.pk, timezone.now() + timedelta(minutes=16)) == 1
    change(ward, 5)
    ward.settle(passing_s=3600)
    assert state(link)[0] == "verified"
    assert ChartReference.objects.get(key=link.offer.lines.get().order_key).version == "5"
    assert versions.alarm(ward.shop.clinic.pk, timezone.now() + timedelta(days=1)) == 0


def test_two_versions_by_turns_end_with_the_newer(ward: Ward) -> None:
    """F30: what was read once is not taken back by an older answer."""
    link = ward.link()
    change(ward, 4, note=[{"text": "four"}])
    ward.post(id_only("DeviceRequest/dev-1"))
    ward.settle()
    change(ward, 3, status="revoked")
    ward.post(id_only("DeviceRequest/dev-1", number=2))
    ward.settle(passing_s=11)
    assert state(link)[0] == "verified"


@pytest.mark.parametrize(("read", "named", "older"), [
    (("9", ""), ("10", ""), True), (("10", ""), ("9", ""), False), (("10", ""), ("10", ""), False),
    (("a", "2026-11-02T15:00:00Z"), ("b", "2026-11-02T15:00:01Z"), True),
    (("a", "2026-11-02T15:00:01Z"), ("b", "2026-11-02T16:00:00+01:00"), False), (("a", ""), ("b", ""), False),
])  # fmt: skip
def test_versions_are_compared_as_numbers_or_by_time(
    read: tuple[str, str], named: tuple[str, str], older: bool
) -> None:
    from ehrcommerce.ehr.schemes import instant
    from ehrcommerce.policy.packets import OrderState

    row = ChartReference(named_version=named[0], named_at=instant(named[1]))
    assert versions.is_stale(row, OrderState(version=read[0], updated_at=read[1], status="active")) is older


# -- late, unknown, flooding (P11, P14) --------------------------------------------------------------------------------
@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=1), timedelta(days=30)])
def test_late_events_are_recorded_and_nothing_follows(ward: Ward, age: timedelta) -> None:
    """Of closed orders, purged patients, orders nobody knows."""
    link = ward.link()
    PurchaseLink.objects.filter(pk=link.pk).update(state="revoked", ended_at=timezone.now())
    before = ChartReference.objects.count()
    moment = (timezone.now() - age).isoformat()
    assert ward.post(id_only("DeviceRequest/dev-1", "DeviceRequest/purged", "Patient/gone", number=3, at=moment)) == 200
    ward.settle()
    assert sorted(ward.states()) == ["done", "unknown", "unknown"]
    assert (ward.reads(), ChartReference.objects.count(), state(link)[0]) == ([], before, "revoked")


def test_a_flood_of_ids_that_nobody_knows_costs_no_reading(ward: Ward) -> None:
    row = ward.subscribe(Scheme.WEBHOOK)
    for number in range(10):
        events = [{"focus": f"DeviceRequest/x-{number}-{place}"} for place in range(1000)]
        assert ward.webhook({"events": events}, row=row, event=f"e-{number}") == 200
    ward.settle()
    assert set(ward.states()) == {"unknown"}
    assert len(ward.states()) == 10_000
    assert ward.reads() == []


def test_where_new_orders_are_awaited_a_flood_draws_on_a_budget_and_leaves_the_rest_to_the_sweep(
    ward: Ward, waiting: list[arrivals.Arrival]
) -> None:
    ward.link()
    row = ward.subscribe(Scheme.WEBHOOK)
    marks = polling.begin(ward.connection, at=timezone.now() + timedelta(hours=1))
    for number in range(5):
        events = [{"focus": f"DeviceRequest/x-{number}-{place}"} for place in range(1000)]
        ward.webhook({"events": events}, row=row, event=f"e-{number}")
    ward.drain()
    assert ward.states().count("left") == 4940
    assert len(ward.reads()) == 2, "60 ids in searches of 50"
    assert waiting == []
    (mark,) = [one for one in marks if one.resource_type == "DeviceRequest"]
    mark.refresh_from_db()
    assert mark.next_at <= timezone.now(), "the sweep was called"


def test_a_resource_is_read_once_in_ten_seconds_however_often_it_is_named(ward: Ward) -> None:
    ward.link()
    for number in range(1, 6):
        ward.post(id_only("DeviceRequest/dev-1", number=number))
        ward.drain()
        ward.shop.run()
    assert ward.reads().count("GET DeviceRequest/dev-1") == 1
    ward.settle(passing_s=3600)
    assert ward.reads().count("GET DeviceRequest/dev-1") == 2


# -- the seam ----------------------------------------------------------------------------------------------------------
def test_whoever_waits_for_orders_is_handed_a_new_one_of_a_known_patient(
    ward: Ward, waiting: list[arrivals.Arrival]
) -> None:
    ward.link()
    ward.ehr.put(
        at_version(device(id="dev-2"), 1), at_version(device(id="dev-9", subject={"reference": "Patient/x"}), 1)
    )
    ward.post(id_only("DeviceRequest/dev-2", "DeviceRequest/dev-9", "DeviceRequest/dev-1", number=3))
    ward.drain()
    assert {(one.order.item.key, one.is_new) for one in waiting} == {
        (ward.access().key_of("DeviceRequest", "dev-2"), True), (ward.access().key_of("DeviceRequest", "dev-1"), False),
    }  # fmt: skip
    assert {one.customer_key for one in waiting} == {ward.access().customer_key}
    assert not any("dev-9" in path for path in ward.reads()), "nobody's patient: nothing of the order is read"
    assert {bytes(one.resource_id.encode()) for one in Notification.objects.filter(connection=ward.connection)} == {b""}


def test_an_event_stays_in_the_inbox_while_the_chart_cannot_be_read(
    ward: Ward, waiting: list[arrivals.Arrival]
) -> None:
    from tests.disclosure.fake_ehr import Reply

    ward.link()
    ward.ehr.answer("GET DeviceRequest/dev-1", Reply(503, b""))
    ward.post(id_only("DeviceRequest/dev-1"))
    ward.drain()
    assert (ward.states(), waiting) == (["waiting"], [])
    ward.ehr.replies.clear()
    Notification.objects.update(taken_until=None)
    ward.settle(passing_s=3600)
    assert ward.states() == ["done"]
    assert len(waiting) == 1


def test_a_connection_that_is_off_hears_nothing(ward: Ward) -> None:
    ward.connection.enabled = False
    ward.connection.save()
    assert ward.post(id_only("DeviceRequest/dev-1")) == 404
    assert Effect.objects.filter(organization_id=ward.shop.clinic.pk, kind="ehr.events").count() == 0
    assert Subscription.objects.get(pk=ward.subscription.pk).heard_at is None
    assert Order.objects.filter(organization=ward.shop.clinic).count() == 0
