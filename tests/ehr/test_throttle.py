"""Launches from one network address within a minute."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr import throttle
from ehrcommerce.ehr.models import LaunchAttempt
from ehrcommerce.vault import walls
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    throttle.forget()
    yield
    throttle.forget()


def from_address(browser: Browser, address: str) -> int:
    query = {"iss": browser.ehr.base, "launch": "x"}
    return int(browser.client.get("/ehr/launch", query, REMOTE_ADDR=address).status_code)


@pytest.mark.smart("H13")
def test_after_so_many_launches_an_address_waits_and_others_do_not(
    browser: Browser, ehr: FakeEhr, clinic: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LAUNCHES_A_MINUTE = 5
    monkeypatch.setattr(throttle, "WINDOW_S", 10**9)  # one window, whenever the test runs
    assert [from_address(browser, "198.51.100.7") for _ in range(7)] == [302] * 5 + [429] * 2
    assert from_address(browser, "198.51.100.8") == 302
    with walls.organization(clinic.pk):
        assert LaunchAttempt.objects.count() == 6
    assert ehr.paths() == ["/fhir/R4/.well-known/smart-configuration"]
    refused = browser.client.get("/ehr/launch", {"iss": ehr.base, "launch": "x"}, REMOTE_ADDR="198.51.100.7")
    assert "L-RATE-" in page(refused)


@pytest.mark.smart("H13")
def test_without_redis_everybody_may_launch_and_nobody_waits(browser: Browser, settings: Any) -> None:
    settings.REDIS_URL, settings.LAUNCHES_A_MINUTE = "redis://127.0.0.1:9/0", 1
    assert [from_address(browser, "198.51.100.9") for _ in range(4)] == [302] * 4


def test_only_what_our_own_proxies_wrote_is_believed(settings: Any) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.5"})
    assert throttle.address_of(request) == "10.0.0.1"
    settings.TRUSTED_PROXIES = 1
    assert throttle.address_of(request) == "203.0.113.5"
    settings.TRUSTED_PROXIES = 3
    assert throttle.address_of(request) == "10.0.0.1"
