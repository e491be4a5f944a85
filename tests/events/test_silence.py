"""No news is news: hours that always brought something, hours that somebody wrote down, and nights that say nothing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ehrcommerce.ehr import alerts, listening, silence
from ehrcommerce.ehr.models import Notification, Subscription
from tests.events.conftest import Ward

ZONE = ZoneInfo("America/Los_Angeles")
# A Monday, a quarter past nine at the clinic.
MONDAY = datetime(2026, 11, 16, 9, 15, tzinfo=ZONE)


def came(ward: Ward, *moments: datetime, told: bool = True) -> None:
    """Events that were told at these moments."""
    Notification.objects.bulk_create(
        Notification(
            organization=ward.shop.clinic, connection=ward.connection, subscription=ward.subscription if told else None,
            dedupe_sha256=f"{moment.isoformat()} {place} {told}".encode().rjust(32)[-32:], resource_type="DeviceRequest",
            focus="x", resource_id="", received_at=moment, state="done",
        )
        for place, moment in enumerate(moments)
    )  # fmt: skip
    Subscription.objects.filter(pk=ward.subscription.pk).update(heard_at=max(moments))


def weeks_of_news(ward: Ward, *, weeks: tuple[int, ...] = (3, 2, 1), an_hour: int = 6, told: bool = True) -> None:
    """Working hours (8 to 17, Monday to Friday) with so many events each; then the last one, on MONDAY."""
    first = MONDAY.replace(hour=8, minute=0)
    moments = [
        first + timedelta(days=day, hours=hour, minutes=minute) - timedelta(weeks=week)
        for week in weeks for day in range(5) for hour in range(9) for minute in range(an_hour)
    ]  # fmt: skip
    came(ward, *sorted(moments), MONDAY, told=told)


def after(ward: Ward, **time: float) -> int:
    return silence.watch(ward.shop.clinic.pk, MONDAY + timedelta(**time))


@pytest.mark.parametrize("told", [True, False])
def test_an_hour_that_always_brought_something_and_brings_nothing_is_an_alert_once(ward: Ward, told: bool) -> None:
    weeks_of_news(ward, told=told)
    if not told:
        Subscription.objects.filter(pk=ward.subscription.pk).update(heard_at=None)
    assert after(ward, minutes=100) == 0, "ten to eleven is not over"
    assert after(ward, minutes=106) == 1
    assert after(ward, minutes=116) == 0
    ward.connection.refresh_from_db()
    assert ward.connection.standing_alerts == [alerts.UNUSUAL]


def test_a_busy_ehr_that_goes_on_raises_nothing(ward: Ward) -> None:
    weeks_of_news(ward)
    came(ward, *(MONDAY + timedelta(minutes=20 * step) for step in range(1, 24)))
    assert after(ward, hours=8) == 0


@pytest.mark.parametrize("weeks", [(3, 1), (1,), ()])
def test_what_was_not_so_in_each_week_is_not_expected(ward: Ward, weeks: tuple[int, ...]) -> None:
    """A holiday among them, or an EHR that is new."""
    weeks_of_news(ward, weeks=weeks)
    assert after(ward, hours=5) == 0


def test_nights_and_weekends_expect_nothing_and_a_slow_clinic_takes_more_hours(ward: Ward) -> None:
    weeks_of_news(ward, weeks=(3, 2, 1, 0), an_hour=2)
    friday = MONDAY + timedelta(days=4)
    came(ward, friday.replace(hour=16, minute=59))
    assert silence.expected(ward.connection, friday + timedelta(days=3, hours=-1)) == 0
    assert after(ward, days=7, hours=1) == 0, "Monday at ten: four are missing"
    assert after(ward, days=7, hours=2) == 1, "at eleven, six"


def test_hours_that_somebody_wrote_down_count_alone(ward: Ward) -> None:
    came(ward, MONDAY.replace(hour=17, minute=30))
    Subscription.objects.filter(pk=ward.subscription.pk).update(
        state="active", quiet_after_s=3600, news_hours="mon-fri 08-18"
    )
    organization_id = ward.shop.clinic.pk
    assert listening.tend(organization_id, MONDAY.replace(hour=23)) == 0
    assert listening.tend(organization_id, MONDAY.replace(hour=8, minute=29) + timedelta(days=1)) == 0
    Subscription.objects.filter(pk=ward.subscription.pk).update(heard_at=MONDAY + timedelta(days=1))  # a heartbeat
    assert listening.tend(organization_id, MONDAY.replace(hour=8, minute=31) + timedelta(days=1)) == 1
    ward.connection.refresh_from_db()
    assert ward.connection.standing_alerts == [alerts.QUIET]


@pytest.mark.parametrize("text", ["mon-fry 8-18", "fri-mon 8-18", "mon 18-8", "mon 8-25", "always", "mon-fri"])
def test_hours_that_nobody_can_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mon-fri 08-18"):
        silence.hours(text)


def test_hours_are_those_of_the_clinic_also_in_the_night_of_the_change() -> None:
    every = silence.hours("mon-fri 08-18, sun 0-24")
    assert len(every) == 74
    sunday = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)  # midnight; this Sunday has 25 hours
    assert silence.quiet_s(sunday, sunday + timedelta(hours=25), every, ZONE) == 25 * 3600
