"""A link ends at a moment, not at an hour of a wall clock: where the clocks jump over that hour, or show it twice, and
whatever a new table of time zones says. [REL-F47]"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.commerce.offers import links, tokens
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.vault import walls
from tests.commerce.offers.test_links import made
from tests.commerce.shop import Shop

# Zone, and an instant inside the hour that its clocks skip, or show for the second time.
HOURS = [
    ("America/Los_Angeles", datetime(2027, 3, 14, 10, 0, tzinfo=UTC)), ("Europe/Berlin", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2027, 10, 2, 15, 30, tzinfo=UTC)),
    ("America/Los_Angeles", datetime(2026, 11, 1, 9, 30, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "end"), HOURS)
def test_a_link_lives_its_days_to_the_second(shop: Shop, zone: str, end: datetime) -> None:
    Organization.objects.filter(pk=shop.clinic.pk).update(time_zone=zone)
    link = made(shop)
    sent = end - timedelta(days=7)
    there = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in (sent, end + timedelta(hours=2))]
    assert there[0] != there[1], "the clocks jump between the two"
    PurchaseLink.objects.filter(pk=link.pk).update(sent_at=sent, expires_at=sent + timedelta(days=7))
    with timezone.override(zone):
        late = links.answer(link_id=link.pk, birth_date="1968-03-14", at=end)
        early = links.answer(link_id=link.pk, birth_date="1968-03-14", at=end - timedelta(seconds=1))
    assert (late.matched, early.matched) == (False, True)
    assert PurchaseLink.objects.get(pk=link.pk).tries_left == 5, "who comes too late loses no try"


@pytest.mark.parametrize(("zone", "end"), HOURS)
def test_its_page_can_be_shown_in_that_hour(shop: Shop, zone: str, end: datetime) -> None:
    Organization.objects.filter(pk=shop.clinic.pk).update(time_zone=zone)
    link = made(shop)
    moved = end.replace(year=end.year + 20)  # not over yet, whatever the day is on which this test runs
    PurchaseLink.objects.filter(pk=link.pk).update(expires_at=moved)
    assert Client().get(f"/l/{tokens.token_of(link)}/").status_code == 200
    walls.enter(shop.clinic.pk)
    assert PurchaseLink.objects.get(pk=link.pk).expires_at == moved
