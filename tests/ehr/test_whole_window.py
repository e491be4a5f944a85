"""Inside a frame that keeps no cookie, the launch goes on in a window of its own: by an address that works once and
says nothing of the launch. [H73, B5]"""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr.models import EhrConnection, LaunchAttempt
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr

FRAME = {"Sec-Fetch-Dest": "iframe"}


def blocked(browser: Browser, ehr: FakeEhr) -> Any:
    """A callback in a frame without the cookie of its launch."""
    state = browser.sign_in()["state"]
    return Browser(ehr, browser.connection).come_back(code="c", state=state, headers=FRAME)


def address(response: Any) -> str:
    found = re.search(r'href="(/ehr/[^"]*)"[^>]*target="_blank"', page(response))
    assert found, page(response)
    return found[1]


@pytest.mark.smart("H73", "B5")
def test_the_page_does_not_show_the_launch_value(browser: Browser, ehr: FakeEhr) -> None:
    response = blocked(browser, ehr)
    assert "launch-1" not in page(response)
    assert "launch=" not in address(response)


@pytest.mark.smart("H73")
def test_the_address_begins_the_launch_again_once(browser: Browser, ehr: FakeEhr) -> None:
    where, window = address(blocked(browser, ehr)), Browser(ehr, browser.connection)
    response = window.client.get(where)
    assert response.status_code == 302
    asked = parse_qs(urlsplit(response["Location"]).query)
    assert asked["launch"] == ["launch-1"]
    assert (response["Referrer-Policy"], response["Cache-Control"]) == ("no-referrer", "no-store")
    ehr.nonce = asked["nonce"][0]
    assert window.come_back(code="fresh", state=asked["state"][0]).status_code == 303
    again = Browser(ehr, browser.connection).client.get(where)
    assert again.status_code == 400
    assert "used already" in page(again)


@pytest.mark.smart("H73", "B1")
def test_the_state_that_came_back_without_a_cookie_is_used_up_by_it(browser: Browser, ehr: FakeEhr) -> None:
    state = browser.sign_in()["state"]
    where = address(Browser(ehr, browser.connection).come_back(code="c", state=state, headers=FRAME))
    browser.client.get(where)
    assert browser.come_back(code="c", state=state).status_code == 400
    assert "/token" not in ehr.paths()


@pytest.mark.smart("H73")
def test_an_invented_address_or_one_of_another_connection_begins_nothing(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    where = address(blocked(browser, ehr))
    other = factories.ehr_connection(clinic)
    with walls.organization(clinic.pk):
        bare = str(LaunchAttempt.objects.get().public_id)
    own = where.rstrip("/").rpartition("/")[0]
    for wrong in (f"{own}/{bare}/", f"{own}/x:y/", where.replace(browser.connection.slug, other.slug)):
        response = browser.client.get(wrong)
        assert response.status_code == 400, wrong
        assert "launch-1" not in page(response)
    assert browser.client.get(where, headers={"Sec-Purpose": "prefetch"}).status_code == 405
    assert browser.client.get(where).status_code == 302, "nothing of that used it up"


@pytest.mark.smart("H73")
def test_the_address_stops_with_the_attempt_and_with_the_connection(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    where = address(blocked(browser, ehr))
    with walls.organization(clinic.pk):
        EhrConnection.objects.update(enabled=False)
    assert browser.client.get(where).status_code == 403
    with walls.organization(clinic.pk):
        EhrConnection.objects.update(enabled=True)
    where = address(blocked(browser, ehr))
    with walls.organization(clinic.pk):
        for attempt in LaunchAttempt.objects.all():
            LaunchAttempt.objects.filter(pk=attempt.pk).update(expires_at=attempt.started_at)
    assert browser.client.get(where).status_code == 400
