"""From the chart's button to the EHR's sign-in, and nowhere else. [SMART-L1 to L8, SMART-B1 to
B6]"""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection as database

from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.vault import walls
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import FakeEhr

TOKEN = "/token"


def attempts(clinic: Organization) -> int:
    with walls.organization(clinic.pk):
        return LaunchAttempt.objects.count()


def sessions(clinic: Organization) -> list[EhrSession]:
    with walls.organization(clinic.pk):
        return list(EhrSession.objects.select_related("user").order_by("pk"))


def audited(clinic: Organization) -> list[tuple[str, str, str]]:
    with walls.organization(clinic.pk):
        return list(AuditEvent.objects.order_by("pk").values_list("action", "outcome", "reason"))


# ------------------------------------------------------------------------------------------------------- the launch
@pytest.mark.smart("L1", "L4", "L5", "L8", "A1", "A2", "B5")
def test_a_launch_leads_to_the_sign_in_of_that_ehr_and_nowhere_else(
    browser: Browser, ehr: FakeEhr, connection: EhrConnection
) -> None:
    response = browser.launch(launch='x y+%"<b>')
    assert response.status_code == 302
    location = urlsplit(response["Location"])
    asked = parse_qs(location.query)
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{ehr.url}/authorize"
    assert asked["launch"] == ['x y+%"<b>']
    assert asked["aud"] == [ehr.base]
    assert asked["redirect_uri"][0].endswith(f"/ehr/callback/{connection.slug}/")
    assert asked["code_challenge_method"] == ["S256"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.smart("L7", "A2")
def test_the_cookie_of_a_launch_is_its_own_and_partitioned(browser: Browser) -> None:
    state = browser.sign_in()["state"]
    (name,) = browser.launch_cookies()
    assert name == f"__Host-l-{state.partition('.')[0]}"
    morsel = browser.client.cookies[name]
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (
        True,
        True,
        "None",
        "/",
        "",
    )
    assert morsel["partitioned"]
    assert 0 < int(morsel["max-age"]) <= 600
    assert "__Host-staff" not in browser.client.cookies


@pytest.mark.smart("A2", "A3", "T8")
def test_the_database_keeps_no_state_no_cookie_and_no_launch_value_in_clear(
    browser: Browser, clinic: Organization
) -> None:
    state = browser.sign_in()["state"]
    with walls.organization(clinic.pk), database.cursor() as cursor:
        cursor.execute("SELECT string_agg(ehr_launchattempt::text, ' ') FROM ehr_launchattempt")
        stored = cursor.fetchone()[0]
    assert state not in stored
    assert "launch-1" not in stored
    assert b"launch-1".hex() not in stored


@pytest.mark.smart("L2", "L3", "H1", "H2", "H3", "H6")
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400), ({"launch": "x"}, 400), ({"iss": "https://ehr.example.org/fhir"}, 403), ({"iss": "x",
        "launch": "x"}, 400),
        ({"iss": "https://unknown.example.org/fhir", "launch": "x"}, 403), ({"iss": "<script>alert(1)</script>",
        "launch": "x"}, 400),
    ],
)  # fmt: skip
def test_an_unknown_ehr_hears_nothing_from_us(
    browser: Browser, ehr: FakeEhr, clinic: Organization, query: dict[str, str], status: int
) -> None:
    response = browser.client.get("/ehr/launch", query)
    assert response.status_code == status
    assert "<script>alert" not in page(response)
    assert "example.org" not in page(response)
    assert ehr.asked == []
    assert attempts(clinic) == 0


@pytest.mark.smart("L3", "H5", "H8")
@pytest.mark.parametrize("suffix", [".evil.com", "%40evil.com", "/../x", "?x", "#x", "/R5", "\x00", "\r\nX: y"])
def test_a_look_alike_of_a_registered_ehr_hears_nothing_from_us(browser: Browser, ehr: FakeEhr, suffix: str) -> None:
    assert browser.launch(iss=ehr.base + suffix).status_code in (400, 403)
    assert ehr.asked == []


@pytest.mark.smart("L3", "L4", "H9")
@pytest.mark.parametrize("spelling", ["{}/", "{}"])
def test_harmless_spellings_find_the_row_and_send_the_registered_aud(
    browser: Browser, ehr: FakeEhr, spelling: str
) -> None:
    response = browser.launch(iss=spelling.format(ehr.base.replace("http://", "HTTP://")))
    assert parse_qs(urlsplit(response["Location"]).query)["aud"] == [ehr.base]


@pytest.mark.smart("L5", "H2", "H10", "H11")
@pytest.mark.parametrize("values", [[], [""], ["a", "b"], ["x" * 9000], ["a\x00b"]])
def test_a_launch_value_is_given_once_and_bounded(
    browser: Browser, ehr: FakeEhr, clinic: Organization, values: list[str]
) -> None:
    assert browser.launch(launch=values).status_code == 400
    assert browser.launch(iss=[ehr.base, ehr.base]).status_code == 400
    assert attempts(clinic) == 0


@pytest.mark.smart("A7", "D5", "L5", "H11")
def test_a_long_launch_value_goes_by_form(browser: Browser, ehr: FakeEhr) -> None:
    response = browser.launch(launch="x" * 8000)
    assert response.status_code == 200
    assert f'action="{ehr.url}/authorize?tenant=7"' in page(response)
    assert f'value="{"x" * 8000}"' in page(response)
    assert f"form-action 'self' {ehr.url}" in response["Content-Security-Policy"]
    ehr.document = {"capabilities": []}


@pytest.mark.smart("H12")
@pytest.mark.parametrize("method", ["post", "head", "put", "delete", "options"])
def test_only_get_launches(browser: Browser, clinic: Organization, ehr: FakeEhr, method: str) -> None:
    assert getattr(browser.client, method)(f"/ehr/launch?iss={ehr.base}&launch=x").status_code == 405
    assert attempts(clinic) == 0


@pytest.mark.smart("H12")
def test_a_prefetch_is_no_launch(browser: Browser, clinic: Organization, ehr: FakeEhr) -> None:
    response = browser.client.get(
        "/ehr/launch", {"iss": ehr.base, "launch": "x"}, headers={"Sec-Purpose": "prefetch;prerender"}
    )
    assert response.status_code == 405
    assert attempts(clinic) == 0
    assert not browser.launch_cookies()


@pytest.mark.smart("L2", "H3")
def test_a_connection_that_is_switched_off_sends_nothing(
    browser: Browser, ehr: FakeEhr, clinic: Organization, connection: EhrConnection
) -> None:
    connection.enabled = False
    connection.save()
    assert browser.launch().status_code == 403
    assert ehr.asked == []
    assert audited(clinic) == [("launch.refused", "refused", "L-OFF")]


def test_without_an_agreement_in_force_nothing_is_sent(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    with walls.organization(clinic.pk):
        Agreement.objects.update(expires="2026-01-02")
    response = browser.launch()
    assert response.status_code == 403
    assert "agreement" in page(response)
    assert ehr.asked == []
    assert audited(clinic) == [("launch.refused", "refused", "L-BAA")]


@pytest.mark.smart("D4", "H17")
def test_a_refused_launch_shows_cause_remedy_and_a_reference(
    browser: Browser, ehr: FakeEhr, caplog: pytest.LogCaptureFixture
) -> None:
    ehr.document = {"code_challenge_methods_supported": ["plain"]}
    response = browser.launch(launch="secret-launch-value")
    assert response.status_code == 502
    assert "PKCE" in page(response)
    assert "D-PKCE-" in page(response)
    assert "PkceDowngrade D-PKCE-" in caplog.text
    assert "secret-launch-value" not in caplog.text + page(response)


# ---------------------------------------------------------------------------------------------------- two at a time
@pytest.mark.smart("L7")
def test_two_launches_in_one_browser_never_meet(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    """Both begin before either comes back, as two tabs of an EHR do."""
    first, second = browser.sign_in(), browser.sign_in()
    ehr.token, ehr.nonce = {"patient": "cy-1", "access_token": "for-cy"}, first["nonce"]
    place_one = browser.come_back(code="1", state=first["state"])["Location"]
    ehr.token, ehr.nonce = {"patient": "bo-2", "access_token": "for-bo"}, second["nonce"]
    place_two = browser.come_back(code="2", state=second["state"])["Location"]
    assert place_one != place_two
    assert {session.launch_key: session.patient for session in sessions(clinic)} == {
        place_one.split("/")[3]: "cy-1",
        place_two.split("/")[3]: "bo-2",
    }
    assert len(browser.launch_cookies()) == 2


@pytest.mark.smart("D6")
def test_launches_stay_quick_when_the_ehr_is_slow_to_publish(browser: Browser, ehr: FakeEhr) -> None:
    browser.launch()
    ehr.slow_s = 1.0
    began = time.monotonic()
    assert browser.launch().status_code == 302
    assert time.monotonic() - began < 0.5


@pytest.mark.smart("L7")
def test_a_day_of_launches_leaves_twenty_cookies(browser: Browser) -> None:
    last = [browser.sign_in()["state"] for _ in range(25)][-1]
    assert len(browser.launch_cookies()) == 20
    assert f"__Host-l-{last.partition('.')[0]}" in browser.launch_cookies()
