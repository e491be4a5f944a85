"""A start without the EHR's button, for staff, where the row allows it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.vault import walls
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr


@pytest.fixture
def open_door(connection: EhrConnection) -> EhrConnection:
    connection.standalone = True
    connection.save()
    return connection


def started(browser: Browser, ehr: FakeEhr) -> dict[str, str]:
    ehr.document = {"capabilities": ["launch-ehr", "launch-standalone"]}
    response = browser.client.get(f"/ehr/start/{browser.connection.slug}/")
    assert response.status_code == 302, page(response)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}
    ehr.nonce = asked["nonce"]
    return asked


@pytest.mark.smart("L6", "A1")
def test_a_standalone_start_sends_no_launch_and_asks_for_the_patient(
    browser: Browser, ehr: FakeEhr, open_door: EhrConnection
) -> None:
    asked = started(browser, ehr)
    words = asked["scope"].split()
    assert "launch" not in asked
    assert "launch/patient" in words
    assert "launch" not in words
    assert asked["aud"] == ehr.base


@pytest.mark.smart("L6")
def test_a_standalone_start_opens_the_chart_that_was_picked_at_the_ehr(
    browser: Browser, ehr: FakeEhr, clinic: Organization, open_door: EhrConnection
) -> None:
    response = browser.come_back(code="code-1", state=started(browser, ehr)["state"])
    assert response.status_code == 303
    with walls.organization(clinic.pk):
        assert EhrSession.objects.get().patient == "cy-1"


@pytest.mark.smart("L6")
def test_a_row_that_does_not_allow_it_starts_nothing(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    for slug, status in ((browser.connection.slug, 403), ("unknown", 403)):
        assert browser.client.get(f"/ehr/start/{slug}/").status_code == status
    assert ehr.asked == []
    with walls.organization(clinic.pk):
        assert not LaunchAttempt.objects.exists()


@pytest.mark.smart("D5", "L6")
def test_an_ehr_that_lists_what_it_can_do_and_not_this_is_not_asked(
    browser: Browser, ehr: FakeEhr, open_door: EhrConnection
) -> None:
    response = browser.client.get(f"/ehr/start/{browser.connection.slug}/")
    assert response.status_code == 502
    assert "D-CAP-" in page(response)
    ehr.document = {"capabilities": []}


@pytest.mark.smart("H2")
def test_a_launch_without_its_value_shows_the_other_way_where_there_is_one(
    browser: Browser, ehr: FakeEhr, clinic: Organization, open_door: EhrConnection
) -> None:
    response = browser.client.get("/ehr/launch", {"iss": ehr.base})
    assert response.status_code == 400
    assert f'href="/ehr/start/{open_door.slug}/"' in page(response)
    with walls.organization(clinic.pk):
        EhrConnection.objects.update(standalone=False)
    assert "/ehr/start/" not in page(browser.client.get("/ehr/launch", {"iss": ehr.base}))


@pytest.mark.smart("H12")
@pytest.mark.parametrize("method", ["post", "head", "put"])
def test_only_get_starts(browser: Browser, open_door: EhrConnection, method: str) -> None:
    assert getattr(browser.client, method)(f"/ehr/start/{open_door.slug}/").status_code == 405


@pytest.mark.smart("H12")
def test_a_prefetch_starts_nothing(browser: Browser, open_door: EhrConnection, ehr: FakeEhr) -> None:
    response = browser.client.get(f"/ehr/start/{open_door.slug}/", headers={"Sec-Purpose": "prefetch"})
    assert response.status_code == 405
    assert ehr.asked == []


@pytest.mark.smart("L6", "I5")
def test_where_nothing_says_who_is_a_clinician_nobody_starts_without_the_button(
    browser: Browser, ehr: FakeEhr, clinic: Organization, open_door: EhrConnection
) -> None:
    open_door.fhir_user_policy = "not_needed"
    open_door.save()
    response = browser.client.get(f"/ehr/start/{open_door.slug}/")
    assert response.status_code == 403
    assert "L-WHO-" in page(response)
    assert ehr.asked == []
