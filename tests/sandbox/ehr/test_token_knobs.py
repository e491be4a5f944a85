"""Token answers as other EHRs shape them, and how strictly a client has to sign in."""

import base64
import time
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import ASSERTION_TYPE, CLIENT_ID, REDIRECT_URI, SmartClient


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patient", ["test-cy"]),
        ("patient", 7),
        ("patient", "Patient/test-cy"),
        ("patient", "../x"),
        ("token_type", "mac"),
        ("token_type", "DPoP"),
        ("expires_in", "3600"),
        ("expires_in", -5),
        ("expires_in", 10**30),
        ("expires_in", "abc"),
        ("access_token", "two\nlines"),
        ("access_token", ""),
        ("fhirContext", ["x", None, {"reference": "https://evil.example/Patient/1"}, {"reference": "a/b", "role": ""}]),
        ("need_patient_banner", "maybe"),
        ("tenant", "other"),
        ("intent", "unknown-intent"),
        ("https://vendor.example/extension", {"deep": [1]}),
    ],
)
def test_any_key_can_be_anything(ehr: SmartClient, name: str, value: Any) -> None:
    assert ehr.open_with(CY, token_response={name: value})[name] == value


def test_keys_can_be_missing_or_null(ehr: SmartClient) -> None:
    token = ehr.open_with(CY, token_response={"patient": None, "token_type": None}, token_null=["access_token"])

    assert not {"patient", "token_type"} & set(token)
    assert token["access_token"] is None


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("empty", ""),
        ("broader", "patient/*.cruds"),
        ("narrower", "launch openid fhirUser online_access patient/Patient.r"),
        ("other_type", "patient/Observation.rs"),
        ("dus", "patient/Coverage.dus"),
        ("odd_case", "OPENID"),
        ("v1", "patient/Coverage.read"),
        ("epic", "patient/Coverage.Read patient/Coverage.read"),
    ],
)
def test_scopes_in_odd_writing(ehr: SmartClient, form: str, expected: str) -> None:
    scope = ehr.open_with(CY, token_scope=form)["scope"]

    assert expected in scope
    assert scope != ehr.open_chart(CY)["scope"]
    assert form != "empty" or scope == ""


def test_scope_can_be_absent(ehr: SmartClient) -> None:
    assert "scope" not in ehr.open_with(CY, token_scope="absent")


@pytest.mark.parametrize(("policy", "named"), [("keep", False), ("same", True)])
def test_a_refresh_token_that_stays_good(ehr: SmartClient, policy: str, named: bool) -> None:
    first = ehr.open_with(CY, refresh=policy)["refresh_token"]
    answers = [ehr.token(grant_type="refresh_token", refresh_token=first) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json().get("refresh_token") == (first if named else None)
    assert answers[0].json()["access_token"] != answers[1].json()["access_token"]


def test_a_refresh_may_answer_with_another_patient(ehr: SmartClient) -> None:
    more = {"patient": "test-bo", "scope": "patient/*.cruds"}
    token = ehr.open_with(CY, refresh_response=more)
    answer = ehr.token(grant_type="refresh_token", refresh_token=token["refresh_token"]).json()

    assert token["patient"] == CY
    assert (answer["patient"], answer["scope"]) == ("test-bo", "patient/*.cruds")


def test_a_backend_may_be_given_a_refresh_token(ehr: SmartClient) -> None:
    odd = ehr.at(backend_refresh=True)

    assert odd.token(grant_type="client_credentials", scope="system/Patient.r").json()["refresh_token"]


SECRET = "p@ss+w:rd %/ü"


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def _signed_in(ehr: SmartClient, headers: dict[str, str], **fields: str) -> requests.Response:
    code = ehr.authorize(ehr.launch(CY))["code"]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": ehr.verifier,
        **fields,
    }  # fmt: skip
    return requests.post(ehr.token_url, data=form, headers=headers, timeout=10)


@pytest.mark.parametrize(
    ("encoding", "raw", "encoded"), [("raw", 200, 401), ("urlencoded", 401, 200), ("either", 200, 200)]
)
def test_basic_is_read_strictly(ehr: SmartClient, encoding: str, raw: int, encoded: int) -> None:
    ehr.register(auth_method="client_secret_basic", secret=SECRET)
    odd = ehr.at(basic_encoding=encoding)

    assert _signed_in(odd, _basic(CLIENT_ID, SECRET)).status_code == raw
    assert _signed_in(odd, _basic(quote_plus(CLIENT_ID), quote_plus(SECRET))).status_code == encoded
    assert _signed_in(odd, _basic(CLIENT_ID, "wrong")).status_code == 401


def test_secret_in_the_form_and_no_secret_at_all(ehr: SmartClient) -> None:
    ehr.register(auth_method="client_secret_post", secret=SECRET)
    assert _signed_in(ehr, {}, client_id=CLIENT_ID, client_secret=SECRET).status_code == 200
    assert _signed_in(ehr, {}, client_id=CLIENT_ID, client_secret="wrong").status_code in (400, 401)
    assert _signed_in(ehr, _basic(CLIENT_ID, SECRET)).status_code == 401

    ehr.register(auth_method="none")
    assert _signed_in(ehr, {}, client_id=CLIENT_ID).status_code == 200
    assert _signed_in(ehr, {}).status_code in (400, 401)


def test_the_client_id_in_the_body(ehr: SmartClient) -> None:
    ehr.register(auth_method="client_secret_basic", secret=SECRET)
    forbidden, required = ehr.at(client_id_in_body="forbidden"), ehr.at(client_id_in_body="required")
    headers = _basic(CLIENT_ID, SECRET)

    assert _signed_in(forbidden, headers).status_code == 200
    assert _signed_in(forbidden, headers, client_id=CLIENT_ID).json()["error"] == "invalid_request"
    assert _signed_in(required, headers).json()["error"] == "invalid_request"
    assert _signed_in(required, headers, client_id=CLIENT_ID).status_code == 200


def test_a_method_that_is_not_taken_here(ehr: SmartClient) -> None:
    odd = ehr.at(auth_methods=["client_secret_basic"])
    found = requests.get(f"{odd.fhir}/.well-known/smart-configuration", timeout=10).json()

    assert found["token_endpoint_auth_methods_supported"] == ["client_secret_basic"]
    assert odd.token(grant_type="client_credentials", scope="system/Patient.r").json()["error"] == "invalid_client"


def test_the_checker_of_assertions_is_as_strict_as_it_is_told(ehr: SmartClient) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}
    now = int(time.time())

    def status(client: SmartClient, **changes: Any) -> int:
        return client.token(client.assertion(aud=client.token_url, **changes), **form).status_code

    assert status(ehr.at(assertion_algs=["RS384"])) != 200
    assert status(ehr.at(assertion_typ="client-authentication+jwt")) != 200
    assert status(ehr.at(assertion_typ="any"), header={"typ": "whatever"}) == 200
    assert status(ehr.at(assertion_life_s=60)) != 200
    assert status(ehr.at(assertion_life_s=60), exp=now + 50) == 200
    assert status(ehr.at(assertion_jti_max=20)) != 200
    proxied = ehr.at(assertion_aud="https://proxy.example/token")
    assert status(proxied) != 200
    assert proxied.token(proxied.assertion(aud="https://proxy.example/token"), **form).status_code == 200
    assert status(ehr.at()) == 200


def _introspected(ehr: SmartClient, token: str) -> dict[str, Any]:
    form = {"token": token, "client_assertion_type": ASSERTION_TYPE, "client_assertion": ehr.assertion()}
    answer: dict[str, Any] = requests.post(f"{ehr.auth}/introspect", data=form, timeout=10).json()
    return answer


def test_introspection_can_say_anything(ehr: SmartClient) -> None:
    inactive = _introspected(ehr, ehr.open_with(CY, introspection="inactive_with_data")["access_token"])
    other = _introspected(ehr, ehr.open_with(CY, introspection_response={"patient": "x", "exp": None})["access_token"])

    assert (inactive["active"], inactive["patient"]) == (False, CY)
    assert (other["active"], other["patient"], "exp" in other) == (True, "x", False)


def test_introspection_and_revocation_need_a_client(ehr: SmartClient) -> None:
    token = ehr.open_chart(CY)["access_token"]

    for name in ("introspect", "revoke"):
        assert requests.post(f"{ehr.auth}/{name}", data={"token": token}, timeout=10).status_code in (400, 401)
    assert ehr.get(f"Patient/{CY}").status_code == 200


def test_an_encounter_comes_with_the_launch(ehr: SmartClient) -> None:
    code = ehr.authorize(ehr.launch(CY, encounter="visit-1"))["code"]

    assert ehr.exchange(code).json()["encounter"] == "visit-1"
