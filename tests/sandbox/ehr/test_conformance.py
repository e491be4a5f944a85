"""The checks of Inferno's client suite: what a right client keeps to, and each thing that a wrong one does not."""

import base64
import time
from typing import Any

import pytest
import requests

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import CLIENT_ID, REDIRECT_URI, SmartClient

STATE = "s" * 24


class Book:
    """The checks since a mark."""

    def __init__(self, ehr: SmartClient) -> None:
        self.ehr = ehr
        self.mark = ehr.control("conformance/mark", method="GET")["mark"]

    def rows(self) -> list[dict[str, Any]]:
        path = f"conformance?since={self.mark}&profile={self.ehr.profile}"
        return list(self.ehr.control(path, method="GET"))

    def failed(self) -> set[str]:
        return {row["check"] for row in self.rows() if not row["held"]}


@pytest.fixture
def own(ehr: SmartClient) -> SmartClient:
    """An EHR of this test's own."""
    return ehr.at()


def test_a_right_client_keeps_to_everything(own: SmartClient) -> None:
    book = Book(own)
    token = own.exchange(own.authorize(own.launch(CY), state=STATE)["code"]).json()
    own.http.headers["Authorization"] = f"Bearer {token['access_token']}"
    own.get(f"Patient/{CY}")
    own.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    own.token(grant_type="client_credentials", scope="system/Patient.r")

    rows = book.rows()
    assert book.failed() == set()
    assert {row["check"] for row in rows} == {
        *(
            f"authorize.{name}"
            for name in (
                "response_type", "client_id", "redirect_uri", "launch", "state", "state_length", "aud", "s256", "scope",
            )
        ),
        *(
            f"token.{name}"
            for name in ("grant_type", "client_id_in_body", "code", "redirect_uri", "pkce", "refresh_token", "scope")
        ),
        *(
            f"assertion.{name}"
            for name in ("type", "typ", "alg", "kid", "iss", "sub", "aud", "exp", "life", "jti", "signature")
        ),
        "fhir.bearer_header",
        "fhir.token_known",
    }  # fmt: skip
    assert {row["client_id"] for row in rows} == {CLIENT_ID}
    assert {row["profile"] for row in rows} == {own.profile}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"response_type": "token"}, "response_type"),
        ({"client_id": "nobody"}, "client_id"),
        ({"redirect_uri": f"{REDIRECT_URI}x"}, "redirect_uri"),
        ({"launch": "unknown"}, "launch"),
        ({"launch": None}, "launch"),
        ({"scope": "openid"}, "launch"),
        ({"state": None}, "state"),
        ({"state": "short"}, "state_length"),
        ({"aud": "https://other.example"}, "aud"),
        ({"code_challenge_method": "plain"}, "s256"),
        ({"code_challenge": "short"}, "s256"),
        ({"scope": None}, "scope"),
    ],
)
def test_a_wrong_authorization_request(own: SmartClient, changes: dict[str, str | None], check: str) -> None:
    book = Book(own)
    own.authorize_raw(own.launch(CY), **{"state": STATE, **changes})

    assert f"authorize.{check}" in book.failed()


def test_a_standalone_request_names_what_it_needs(own: SmartClient) -> None:
    own.launch(CY)
    book = Book(own)
    own.authorize_raw("", launch=None, state=STATE, scope="launch/patient patient/Patient.r")

    assert book.failed() == set()


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"code": "unknown"}, "code"),
        ({"redirect_uri": "http://other.example/"}, "redirect_uri"),
        ({"code_verifier": "x" * 50}, "pkce"),
        ({"client_id": CLIENT_ID}, "client_id_in_body"),
        ({"grant_type": "password"}, "grant_type"),
    ],
)
def test_a_wrong_token_request(own: SmartClient, changes: dict[str, str], check: str) -> None:
    code = own.authorize(own.launch(CY))["code"]
    book = Book(own)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI,
            "code_verifier": own.verifier}  # fmt: skip
    own.token(**{**form, **changes})

    assert f"token.{check}" in book.failed()


def test_a_code_and_a_refresh_token_are_used_once(own: SmartClient) -> None:
    code = own.authorize(own.launch(CY))["code"]
    refresh = own.exchange(code).json()["refresh_token"]
    own.token(grant_type="refresh_token", refresh_token=refresh)
    book = Book(own)
    own.token(grant_type="refresh_token", refresh_token=refresh)
    own.exchange(code)

    assert book.failed() == {"token.code", "token.refresh_token", "token.scope"}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"header": {"typ": "x"}}, "typ"),
        ({"header": {"kid": ""}}, "kid"),
        ({"iss": "other"}, "iss"),
        ({"sub": "other"}, "sub"),
        ({"aud": "https://other.example"}, "aud"),
        ({"exp": 1}, "exp"),
        ({"exp": 99999999999}, "life"),
        ({"jti": ""}, "jti"),
    ],
)
def test_a_wrong_assertion(own: SmartClient, changes: dict[str, Any], check: str) -> None:
    book = Book(own)
    own.token(own.assertion(**changes), grant_type="client_credentials", scope="system/Patient.r")

    assert f"assertion.{check}" in book.failed()


def test_an_assertion_of_another_key_or_used_twice(own: SmartClient) -> None:
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}
    used = own.assertion()
    own.token(used, **form)
    book = Book(own)
    own.token(used, **form)
    forged = own.assertion()
    own.token(forged[:-8] + ("A" * 8 if not forged.endswith("A" * 8) else "B" * 8), **form)

    assert book.failed() == {"assertion.jti", "assertion.signature"}


@pytest.mark.parametrize(("pair", "held"), [("{id}:s+cret", True), ("{id}:s%2Bcret", False), ("nobody:s+cret", False)])
def test_basic_is_the_raw_pair(ehr: SmartClient, pair: str, held: bool) -> None:
    ehr.register(auth_method="client_secret_basic", secret="s+cret")
    own = ehr.at()
    code = own.authorize(own.launch(CY))["code"]
    book = Book(own)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    text = base64.b64encode(pair.replace("{id}", CLIENT_ID).encode()).decode()
    requests.post(own.token_url, data=form, headers={"Authorization": f"Basic {text}"}, timeout=10)

    assert ("token.basic" not in book.failed()) is held
    assert "token.basic" in {row["check"] for row in book.rows()}


def test_a_token_that_nobody_gave(own: SmartClient) -> None:
    book = Book(own)
    own.http.headers["Authorization"] = "Bearer unknown"
    own.get(f"Patient/{CY}")

    assert book.failed() == {"fhir.token_known"}


def test_a_strict_server_refuses_what_failed(ehr: SmartClient) -> None:
    own = ehr.at(strict=True)
    launch = own.launch(CY)

    assert own.authorize(launch, state="short")["error"] == "invalid_request"
    code = own.authorize(launch, state=STATE)["code"]
    answer = own.exchange(code, client_id=CLIENT_ID)
    assert (answer.status_code, "client_id_in_body" in answer.json()["error_description"]) == (400, True)
    assert own.exchange(code).status_code == 200


def test_the_mark_moves_on(own: SmartClient) -> None:
    before = own.control("conformance/mark", method="GET")["mark"]
    started = time.time()
    own.get(f"Patient/{CY}")
    rows = own.control(f"conformance?since={before}&profile={own.profile}", method="GET")

    assert rows[-1]["id"] <= own.control("conformance/mark", method="GET")["mark"]
    assert rows[-1]["at"] >= started - 1
