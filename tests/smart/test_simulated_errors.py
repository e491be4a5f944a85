"""The errors that the public SMART launcher simulates, each by its name in the sandbox, and 401 beside codes that are not
about the client: what the app says then, and what it does next."""

import pytest
from django.utils import timezone

from ehrcommerce.ehr import backend_services, checking, sessions
from ehrcommerce.ehr.errors import BackendRefused, SessionOver
from ehrcommerce.vault import walls
from tests.smart.conftest import Ehr, Make, words

pytestmark = pytest.mark.django_db


@pytest.mark.smart("B2", "V7")
@pytest.mark.parametrize(("error", "code"), [("auth_invalid_client_id", "C-SETUP"), ("auth_invalid_scope", "C-SCOPE")])
def test_an_error_of_the_sign_in_has_its_page(ehr: Ehr, error: str, code: str) -> None:
    answer = ehr.launch(knobs={"simulated_error": error})
    assert (answer.status_code, code in words(answer)) == (502, True), words(answer)
    assert ehr.session() is None


@pytest.mark.smart("V7")
def test_a_redirect_address_that_is_unknown_there_stays_a_page_of_the_ehr(ehr: Ehr) -> None:
    mark = ehr.desk.mark()
    _, shown = ehr.sent(knobs={"simulated_error": "auth_invalid_redirect_uri"})
    assert shown.status_code == 400
    assert "Location" not in shown.headers
    assert ehr.asked(mark, "/token") == []
    assert ehr.session() is None


@pytest.mark.smart("H33", "V7")
@pytest.mark.parametrize("error", ["auth_invalid_client_secret", "token_invalid_token"])
def test_an_unknown_client_is_the_administrator_s_matter(ehr: Ehr, error: str) -> None:
    answer = ehr.launch(knobs={"simulated_error": error})
    assert (answer.status_code, "T-CLIENT" in words(answer)) == (502, True), words(answer)
    assert "An administrator checks client id" in words(answer)


@pytest.mark.smart("H33")
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_code_that_is_no_longer_good_asks_for_a_new_launch_whatever_the_status(ehr: Ehr, status: int) -> None:
    answer = ehr.launch(knobs={"token_answer": {"manner": "oauth_error", "error": "invalid_grant", "status": status}})
    assert (answer.status_code, "T-GRANT" in words(answer)) == (502, True), words(answer)
    assert "Open the app again from the patient" in words(answer)


@pytest.mark.smart("H33", "T6")
@pytest.mark.parametrize("allowed", [True, False])
def test_a_scope_refused_with_401_is_asked_once_more_with_the_fewest(make_ehr: Make, allowed: bool) -> None:
    ehr = make_ehr(retry_reduced_scopes=allowed)
    refusal = {"manner": "oauth_error", "error": "invalid_scope", "status": 401, "times": 1}
    answer = ehr.launch(knobs={"token_answer": refusal})
    if not allowed:
        assert (answer.status_code, "C-SCOPE" in words(answer)) == (502, True), words(answer)
        return
    assert answer.status_code == 302, words(answer)
    assert "DeviceRequest" not in answer["Location"]
    again = ehr.at_the_ehr("GET", answer["Location"], ehr.begin())
    assert ehr.come_back(again.headers["Location"]).status_code == 303
    assert ehr.session() is not None


@pytest.mark.smart("R4", "V7")
def test_an_expired_refresh_token_ends_the_launch_with_the_way_back(ehr: Ehr) -> None:
    place = ehr.open(knobs={"simulated_error": "token_expired_refresh_token"})
    session = ehr.session()
    assert session is not None
    assert session.refresh_token
    with walls.organization(ehr.clinic.pk):
        session.token_expires_at = timezone.now()
        session.save()
        with pytest.raises(SessionOver):
            sessions.bearer(session, at=timezone.now())
    ended = ehr.session()
    assert ended is not None
    assert ended.access_token == ended.refresh_token == ""
    assert "Open the app again from the patient" in words(ehr.client.get(place))


@pytest.mark.smart("F3", "V7")
@pytest.mark.parametrize("error", ["request_invalid_token", "request_expired_token"])
def test_a_token_that_no_request_accepts_is_renewed_once_and_then_said(ehr: Ehr, error: str) -> None:
    place, mark = ehr.open(knobs={"simulated_error": error}), ehr.desk.mark()
    answer = ehr.client.get(place)
    assert "Launchwell" not in answer.content.decode()
    assert answer.status_code in (200, 403, 502), answer.status_code
    assert len(words(answer)) > 80
    assert len(ehr.asked(mark, "/token")) == 1


@pytest.mark.smart("K8", "V7")
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("token_invalid_scope", "C-SCOPE"), ("token_invalid_token", "T-CLIENT"),
        ("token_expired_registration_token", "T-CLIENT"), ("token_invalid_jti", "T-CLIENT"),
    ],
)  # fmt: skip
def test_what_the_app_s_own_access_is_refused_for_stands_in_the_test(make_ehr: Make, error: str, code: str) -> None:
    ehr = make_ehr(client_auth="private_key_jwt", knobs={"simulated_error": error})
    with walls.organization(ehr.clinic.pk):
        found = {one.code: one for one in checking.examine(ehr.connection, at=timezone.now(), agreed=True).findings}
        assert found[code].severity == "error"
        backend_services.forget()
        mark = ehr.desk.mark()
        for _ in range(2):
            with pytest.raises(BackendRefused):
                backend_services.token(ehr.connection, scopes=["system/Patient.r"])
    assert len(ehr.asked(mark, "/token")) == 1
