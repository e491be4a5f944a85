"""From the EHR's sign-in to an open session, and everything that must not become one. [SMART-L1 to L8, SMART-B1 to
B6]"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Organization, Role, User
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.vault import walls
from tests import factories
from tests.ehr.conftest import Browser, page
from tests.ehr.fake_ehr import OTHER, FakeEhr, as_json

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


# ----------------------------------------------------------------------------------------------------- the callback
@pytest.mark.smart("L1", "B5", "T1", "I6", "X1")
def test_a_whole_launch_opens_the_page_of_its_own_place(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    response = browser.open()
    (session,) = sessions(clinic)
    assert (response.status_code, response["Location"]) == (303, f"/ehr/c/{session.launch_key}/")
    assert (session.patient, session.access_token, session.fhir_user, session.focus) == (
        "cy-1",
        "token-1",
        "Practitioner/ada",
        "MedicationRequest/7",
    )
    assert (session.user.issuer, session.user.subject, session.user.role) == (ehr.base, "ada", Role.CLINICIAN)
    assert not session.user.has_usable_password()
    assert ("launch.opened", "success", "") in audited(clinic)
    assert response["Referrer-Policy"] == "no-referrer"


@pytest.mark.smart("D6", "B5")
def test_a_warm_callback_asks_the_ehr_once(browser: Browser, ehr: FakeEhr) -> None:
    browser.open()
    browser.open()  # the first one pinned the issuer
    state = browser.sign_in()["state"]
    ehr.asked.clear()
    assert browser.come_back(code="code-1", state=state).status_code == 303
    assert ehr.paths() == [TOKEN]


@pytest.mark.smart("T1", "A3", "H29")
def test_the_token_request_carries_code_verifier_and_redirect_uri(browser: Browser, ehr: FakeEhr) -> None:
    asked = browser.sign_in()
    browser.come_back(code="code 1/+", state=asked["state"])
    form = next(form for _, path, form in ehr.asked if path == TOKEN)
    assert form["code"] == "code 1/+"
    assert form["redirect_uri"] == asked["redirect_uri"]
    assert len(form["code_verifier"]) >= 43


@pytest.mark.smart("B6")
def test_the_session_key_changes_at_the_callback_and_the_old_one_is_worthless(browser: Browser) -> None:
    state = browser.sign_in()["state"]
    name = browser.launch_cookies()[0]
    before = browser.client.cookies[name].value
    place = browser.come_back(code="code-1", state=state)["Location"] + "links/"
    after = browser.client.cookies[name].value
    assert after != before
    assert browser.client.get(place).status_code == 200
    thief = Client()
    thief.cookies[name] = before
    answer = thief.get(place)
    assert (answer.status_code, "This launch is over" in page(answer)) == (403, True)
    thief.cookies[name] = after
    assert thief.get(place).status_code == 200, "the cookie is what counts, so the case above can fail"


@pytest.mark.smart("B6", "L8")
@pytest.mark.parametrize(
    "name", ["next", "redirect", "redirect_uri", "return_to", "url", "continue", "target_link_uri"]
)
def test_no_parameter_says_where_the_browser_goes(browser: Browser, name: str) -> None:
    """Neither the launch, nor the callback, nor the way out follows an address that came along."""
    evil: dict[str, Any] = {name: "https://evil.example/"}
    sent = browser.launch(**evil)
    assert sent.status_code == 302
    assert "evil.example" not in sent["Location"]
    asked = parse_qs(urlsplit(sent["Location"]).query)
    browser.ehr.nonce, state = asked["nonce"][0], asked["state"][0]
    place = browser.come_back(code="code-1", state=state, **evil)
    assert place.status_code == 303
    assert place["Location"].startswith("/ehr/c/")
    assert "evil.example" not in place["Location"]
    left = browser.client.post(f"{place['Location']}leave/?{name}=https://evil.example/", evil)
    assert "evil.example" not in f"{left.get('Location', '')} {page(left)}"


@pytest.mark.smart("I6")
def test_the_same_subject_at_the_same_issuer_is_one_user(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    browser.open()
    browser.open()
    ehr.claims = {"sub": "lund"}
    browser.open()
    assert [session.user.subject for session in sessions(clinic)] == ["ada", "ada", "lund"]
    assert len({session.user_id for session in sessions(clinic)}) == 2


@pytest.mark.smart("D6", "H19")
def test_the_issuer_and_key_address_are_pinned_at_the_first_success(
    browser: Browser, ehr: FakeEhr, clinic: Organization, connection: EhrConnection
) -> None:
    browser.open()
    with walls.organization(clinic.pk):
        connection.refresh_from_db()
    assert (connection.oidc_issuer, connection.jwks_uri) == (ehr.base, f"{ehr.url}/jwks")
    ehr.document = {"issuer": "https://evil.example"}
    assert browser.launch().status_code == 502


@pytest.mark.smart("B1", "H22", "H28")
@pytest.mark.parametrize(
    "state", ["", "x", "abcdefghijkl.", "abcdefghijkl." + "a" * 32, "../../x.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
)
def test_an_unknown_state_gets_no_token(browser: Browser, ehr: FakeEhr, clinic: Organization, state: str) -> None:
    browser.sign_in()
    for query in (
        {"code": "c", "state": state},
        {"error": "access_denied", "state": state},
        {"code": "c"},
        {"code": "c", "state": [state, state]},
    ):
        assert browser.come_back(**query).status_code == 400
    assert TOKEN not in ehr.paths()
    assert audited(clinic) == []


@pytest.mark.smart("A2", "B1", "H22")
def test_a_state_lives_ten_minutes(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    state = browser.sign_in()["state"]
    with walls.organization(clinic.pk):
        LaunchAttempt.objects.update(expires_at=timezone.now())
    assert browser.come_back(code="c", state=state).status_code == 400
    assert TOKEN not in ehr.paths()


@pytest.mark.smart("B1", "H23")
def test_a_replayed_callback_shows_the_way_back_to_the_open_page(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    state = browser.sign_in()["state"]
    place = browser.come_back(code="code-1", state=state)["Location"]
    ehr.asked.clear()
    again = browser.come_back(code="code-1", state=state)
    assert again.status_code == 400
    assert "used already" in page(again)
    assert f'href="{place}"' in page(again)
    stranger = Client().get(f"/ehr/callback/{browser.connection.slug}/", {"code": "code-1", "state": state})
    assert stranger.status_code == 400
    assert place not in page(stranger)
    assert ehr.asked == []
    assert len(sessions(clinic)) == 1


@pytest.mark.smart("B1", "B5")
def test_of_two_callbacks_at_once_the_row_lets_one_through(browser: Browser, clinic: Organization) -> None:
    from ehrcommerce.ehr import errors, launching

    browser.sign_in()
    with walls.organization(clinic.pk):
        attempt = LaunchAttempt.objects.get()
        browser_value = "b"
        attempt.browser_sha256 = launching._sha256(browser_value)
        launching.consume(attempt, browser=browser_value, at=timezone.now())
        with pytest.raises(errors.StateUsed):
            launching.consume(attempt, browser=browser_value, at=timezone.now())


@pytest.mark.smart("B1", "H24", "H30")
def test_a_state_in_another_browser_begins_a_new_sign_in_and_never_uses_the_code(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    state = browser.sign_in()["state"]
    other = Browser(ehr, browser.connection)
    response = other.come_back(code="stolen", state=state)
    again = parse_qs(urlsplit(response["Location"]).query)
    assert response.status_code == 302
    assert response["Location"].startswith(f"{ehr.url}/authorize")
    assert again["state"] != [state]
    assert again["launch"] == ["launch-1"]
    assert TOKEN not in ehr.paths()
    assert browser.come_back(code="code-1", state=state).status_code == 400
    ehr.nonce = again["nonce"][0]
    assert other.come_back(code="fresh", state=again["state"][0]).status_code == 303
    assert [form["code"] for _, path, form in ehr.asked if path == TOKEN] == ["fresh"]


@pytest.mark.smart("B1", "H73")
def test_there_is_no_third_sign_in(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    state = browser.sign_in()["state"]
    second = parse_qs(urlsplit(Browser(ehr, browser.connection).come_back(code="c", state=state)["Location"]).query)[
        "state"
    ][0]
    response = Browser(ehr, browser.connection).come_back(code="c", state=second)
    assert response.status_code == 400
    assert "cookie" in page(response)
    assert TOKEN not in ehr.paths()
    assert ("launch.refused", "refused", "C-COOKIE") in audited(clinic)


@pytest.mark.smart("H73")
def test_in_a_frame_without_cookies_nothing_begins_again(browser: Browser, ehr: FakeEhr) -> None:
    state = browser.sign_in()["state"]
    response = Browser(ehr, browser.connection).come_back(code="c", state=state, headers={"Sec-Fetch-Dest": "iframe"})
    assert response.status_code == 400
    assert "cookie" in page(response)


@pytest.mark.smart("L7", "B1", "H24")
def test_a_session_of_another_launch_does_not_open_this_one(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    mine, other = browser.sign_in()["state"], browser.sign_in()["state"]
    first, second = (f"__Host-l-{state.partition('.')[0]}" for state in (mine, other))
    browser.client.cookies[first] = browser.client.cookies[second].value
    assert browser.come_back(code="c", state=mine).status_code == 400
    assert TOKEN not in ehr.paths()
    assert ("launch.refused", "refused", "C-BROWSER") in audited(clinic)


@pytest.mark.smart("L8", "B1", "H25")
def test_a_state_of_one_ehr_does_not_work_on_the_address_of_another(
    browser: Browser, ehr: FakeEhr, clinic: Organization
) -> None:
    state = browser.sign_in()["state"]
    sibling = factories.ehr_connection(clinic)
    foreign = factories.ehr_connection(factories.organization())
    assert browser.come_back(slug=sibling.slug, code="c", state=state).status_code == 400
    assert browser.come_back(slug=foreign.slug, code="c", state=state).status_code == 400
    assert browser.come_back(slug="unknown", code="c", state=state).status_code == 400
    assert ("launch.refused", "refused", "C-MIX") in audited(clinic)
    assert TOKEN not in ehr.paths()


@pytest.mark.smart("B2", "B3", "H27", "H29")
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"error": "access_denied", "error_description": "<script>alert(1)</script>"}, 403),
        ({"error": "server_error"}, 502),
        ({"error": "invalid_scope"}, 502), ({"error": "<b>new</b>"}, 400), ({}, 400), ({"code": ""}, 400),
        ({"code": ["a", "b"]}, 400),
        ({"code": "a", "error": "access_denied"}, 400), ({"code": "x" * 10_000}, 400), ({"code": "a\r\nb"}, 400),
        ({"code": "a", "iss": "https://evil.example"}, 400), ({"code": "a", "iss": ["x", "y"]}, 400),
    ],
)  # fmt: skip
def test_an_error_or_a_malformed_answer_closes_the_attempt(
    browser: Browser, ehr: FakeEhr, query: dict[str, Any], status: int
) -> None:
    state = browser.sign_in()["state"]
    response = browser.come_back(state=state, **query)
    assert response.status_code == status
    assert "alert" not in page(response)
    assert "<b>new" not in page(response)
    assert "used already" in page(browser.come_back(state=state, code="code-1"))
    assert TOKEN not in ehr.paths()


@pytest.mark.smart("B4", "H26")
def test_the_issuer_of_the_answer_must_be_the_pinned_one(browser: Browser, ehr: FakeEhr) -> None:
    ehr.document = {"authorization_response_iss_parameter_supported": True}
    assert browser.come_back(code="c", state=browser.sign_in()["state"]).status_code == 400
    assert browser.come_back(code="c", iss=ehr.base + "/", state=browser.sign_in()["state"]).status_code == 400
    assert TOKEN not in ehr.paths()
    assert browser.come_back(code="c", iss=ehr.base, state=browser.sign_in()["state"]).status_code == 303


@pytest.mark.smart("T5", "T7", "I4", "H34", "H35", "H38", "H39", "H46")
@pytest.mark.parametrize(
    "token",
    [
        {"patient": None}, {"patient": None, "scope": "openid"}, {"patient": "Patient/1"}, {"access_token": None},
        {"token_type": "mac"},
        {"id_token": None}, {"id_token": "a.b.c"}, {"expires_in": 0},
    ],
)  # fmt: skip
def test_a_token_answer_that_is_not_whole_opens_nothing(
    browser: Browser, ehr: FakeEhr, clinic: Organization, token: dict[str, Any]
) -> None:
    ehr.token = token
    assert browser.open().status_code in (400, 502)
    assert sessions(clinic) == []
    assert audited(clinic)[-1][:2] == ("launch.refused", "refused")


@pytest.mark.smart("I1", "I5", "H48", "H49", "H50", "H51")
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "other"},
        {"aud": "other"},
        {"iss": "https://evil"},
        {"exp": 5},
        {"sub": None},
        {"fhirUser": "Patient/1"},
    ],
)
def test_an_id_token_that_is_not_ours_opens_nothing(
    browser: Browser, ehr: FakeEhr, clinic: Organization, claims: dict[str, Any]
) -> None:
    ehr.claims = claims
    assert browser.open().status_code in (403, 502)
    assert sessions(clinic) == []


@pytest.mark.smart("I2", "H52")
def test_an_id_token_of_unpublished_keys_opens_nothing(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    ehr.keys = [OTHER]
    assert browser.open().status_code == 502
    assert sessions(clinic) == []


@pytest.mark.smart("H31", "H32", "H33")
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (as_json({"error": "invalid_grant"}, 400), "sign-in code"), (as_json({"error": "invalid_client"}, 401),
        "own sign-in"),
        ((503, {}, b"<html>Cy Sample</html>"), "busy"), ((200, {}, b"<html>Cy Sample</html>"), "token answer"),
        ((307, {"Location": "/other"}, b""), "token answer"),
    ],
)  # fmt: skip
def test_a_failing_token_endpoint_has_a_page_with_the_cause(
    browser: Browser, ehr: FakeEhr, reply: Any, text: str
) -> None:
    ehr.replies[TOKEN] = reply
    response = browser.open()
    assert response.status_code == 502
    assert text in page(response)
    assert "Cy Sample" not in page(response)


def test_a_user_who_was_switched_off_stays_out(browser: Browser, clinic: Organization) -> None:
    browser.open()
    with walls.organization(clinic.pk):
        User.objects.update(is_active=False)
    assert browser.open().status_code == 403
    assert len(sessions(clinic)) == 1


@pytest.mark.smart("I6")
def test_the_same_person_at_two_clinics_is_two_users(browser: Browser, ehr: FakeEhr, clinic: Organization) -> None:
    browser.open()
    other = factories.organization()
    with walls.organization(other.pk):
        assert not User.objects.exists()


@pytest.mark.smart("A3", "T8")
def test_nothing_secret_is_logged(browser: Browser, ehr: FakeEhr, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    asked = browser.sign_in()
    browser.come_back(code="code-1", state=asked["state"])
    ehr.token = {"patient": None}
    browser.open()
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("asyncio", "django.db"))
    )
    for secret in (asked["state"], asked["nonce"], "code-1", "token-1", "cy-1", "launch-1"):
        assert secret not in ours


@pytest.mark.smart("X5", "H45")
@pytest.mark.parametrize("elsewhere", ["https://evil.example/style.json", "javascript:x", "//evil/x", "style.json"])
def test_a_style_from_elsewhere_is_not_kept(
    browser: Browser, ehr: FakeEhr, clinic: Organization, elsewhere: str
) -> None:
    ehr.token = {"smart_style_url": elsewhere}
    browser.open()
    ehr.token = {"smart_style_url": f"{ehr.url}/style.json"}
    browser.open()
    assert [session.style_url for session in sessions(clinic)] == ["", f"{ehr.url}/style.json"]
