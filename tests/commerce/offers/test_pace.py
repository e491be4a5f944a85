"""An account that sends thousands of links in a minute is no clinician: it is stopped, and somebody hears of it. [REL-F62]"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers import services
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.outbox.models import Effect
from tests import factories
from tests.commerce.offers.test_links import PHONE, line, recipient
from tests.commerce.shop import Shop


def test_the_thousands_are_stopped_and_the_alarm_is_raised(
    shop: Shop, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LINKS_A_MINUTE, at = 5, timezone.now()
    one, made = line(shop), 0

    def send(number: int, by: Any = None) -> PurchaseLink:
        return services.make_offer(
            lines=(one,), recipient=recipient(f"customer-{number}"), send_to=PHONE, by=by or shop.ada,
            at=at + timedelta(milliseconds=number),
        )  # fmt: skip

    for number in range(50):
        try:
            made += bool(send(number).pk)
        except services.TooManyLinks:
            continue
    assert made == 5
    assert Offer.objects.filter(organization=shop.clinic).count() == 5
    assert Effect.objects.filter(organization_id=shop.clinic.pk, kind="offers.link").count() == 5
    alarms = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert f"user {shop.ada.public_id} sends more than 5 links a minute: stopped" in alarms
    assert send(99, factories.clinician(shop.clinic, subject="grace")).pk, "a colleague is not stopped"
    assert send(60_001).pk, "nor is Ada, a minute later"
