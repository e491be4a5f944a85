"""The way back from the authorization endpoint, right and in every way in which it can be wrong."""

import pytest

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import SmartClient, pairs


def back(ehr: SmartClient, **knobs: object) -> list[tuple[str, str]]:
    return pairs(ehr.authorize_raw(ehr.launch(CY, knobs=knobs)))


def values(found: list[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in found if key == name]


@pytest.mark.parametrize(
    "code",
    [
        "access_denied",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
        "login_required",
        "made_up",
    ],
)
def test_errors_come_back_with_state_and_a_script(ehr: SmartClient, code: str) -> None:
    found = dict(back(ehr, authorize_error=code))

    assert (found["error"], found["state"], found["iss"]) == (code, "state-1", ehr.fhir)
    assert "<script>" in found["error_description"]
    assert "code" not in found


def test_an_error_with_its_own_words(ehr: SmartClient) -> None:
    wish = {"error": "access_denied", "error_description": "No & no", "error_uri": "https://e.example/"}
    found = dict(back(ehr, authorize_error=wish))

    assert (found["error_description"], found["error_uri"]) == ("No & no", "https://e.example/")


def test_the_issuer_that_answers(ehr: SmartClient) -> None:
    origin = ehr.control("strangers", method="GET")["origin"]

    assert values(back(ehr, authorize_iss="wrong"), "iss") == [f"{origin}/fhir"]
    assert values(back(ehr, authorize_iss="missing"), "iss") == []
    assert values(back(ehr, authorize_iss="repeat"), "iss") == [ehr.fhir, f"{origin}/fhir"]
    assert values(back(ehr, issuer="/oauth2"), "iss") == [f"{ehr.url}/oauth2"]


def test_state(ehr: SmartClient) -> None:
    assert values(back(ehr, authorize_state="alter"), "state") == ["1-etats"]
    assert values(back(ehr, authorize_state="drop"), "state") == []
    assert values(back(ehr, authorize_state="repeat"), "state") == ["state-1", "state-1"]


def test_code(ehr: SmartClient) -> None:
    assert len(values(back(ehr, authorize_code="repeat"), "code")) == 2
    assert values(back(ehr, authorize_code="empty"), "code") == [""]
    assert "\r\n" in values(back(ehr, authorize_code="crlf"), "code")[0]
    assert len(values(back(ehr, authorize_code="long"), "code")[0]) > 10_000
    assert values(back(ehr, authorize_code="drop"), "code") == []
    both = back(ehr, authorize_code="with_error")
    assert values(both, "error") == ["access_denied"]
    assert values(both, "code")
    assert dict(back(ehr, authorize_extra={"session_state": "x"}))["session_state"] == "x"


def test_only_one_method(ehr: SmartClient) -> None:
    odd = ehr.at(authorize_methods=["POST"])
    fields = odd.authorize_fields(odd.launch(CY))

    assert odd.http.get(f"{odd.auth}/authorize", params=fields, timeout=10).status_code == 405
    answer = odd.http.post(f"{odd.auth}/authorize", data=fields, allow_redirects=False, timeout=10)
    assert values(pairs(answer), "code")


@pytest.mark.parametrize(("policy", "second", "after"), [("denied", 400, 200), ("allowed", 200, 200)])
def test_a_code_that_is_used_twice(ehr: SmartClient, policy: str, second: int, after: int) -> None:
    code = ehr.authorize(ehr.launch(CY, knobs={"code_reuse": policy}))["code"]
    token = ehr.exchange(code).json()["access_token"]
    ehr.http.headers["Authorization"] = f"Bearer {token}"

    assert ehr.exchange(code).status_code == second
    assert ehr.get(f"Patient/{CY}").status_code == after


def test_a_code_may_be_too_old(ehr: SmartClient) -> None:
    code = ehr.authorize(ehr.launch(CY, knobs={"code_life_s": 0}))["code"]

    assert ehr.exchange(code).json()["error"] == "invalid_grant"


def test_pkce_and_audience_may_be_taken_lightly(ehr: SmartClient) -> None:
    without = {"code_challenge": None, "code_challenge_method": None}
    launch = ehr.launch(CY, knobs={"pkce": "if_sent", "aud_check": "slash_ok"})

    code = ehr.authorize(launch, aud=f"{ehr.fhir}/", **without)["code"]
    assert ehr.exchange(code, code_verifier=None).status_code == 200
    assert ehr.authorize(launch, aud="https://other.example/fhir")["error"] == "invalid_request"
    loose = ehr.launch(CY, knobs={"aud_check": "off"})
    assert "code" in ehr.authorize(loose, aud="https://other.example/fhir")


def test_scopes_may_make_the_whole_request_invalid(ehr: SmartClient) -> None:
    v1, v2 = "launch patient/Patient.read", "launch patient/Patient.r"

    assert ehr.authorize(ehr.launch(CY, knobs={"scope_dialect": "v1"}), scope=v2)["error"] == "invalid_scope"
    assert "code" in ehr.authorize(ehr.launch(CY, knobs={"scope_dialect": "v1"}), scope=v1)
    assert ehr.authorize(ehr.launch(CY, knobs={"scope_dialect": "v2"}), scope=v1)["error"] == "invalid_scope"
    refused = {"refused_scopes": ["patient/Patient.r"]}
    assert ehr.authorize(ehr.launch(CY, knobs=refused), scope=v2)["error"] == "invalid_scope"
    strict = ehr.launch(CY, knobs={"unknown_scopes": "refuse"})
    assert ehr.authorize(strict, scope=f"{v2} patient/Observation.rs")["error"] == "invalid_scope"
    assert "code" in ehr.authorize(strict, scope=v2)
