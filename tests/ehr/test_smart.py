"""The protocol's own requests. [SMART-A1 to A8, SMART-T1 to T4, SMART-K3, SMART-K4]"""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jws, jwt

from ehrcommerce.ehr import errors, smart
from ehrcommerce.ehr.keys import Held
from ehrcommerce.wire.client import Partner
from tests.ehr.fake_ehr import EC, FakeEhr, as_json

KEY = Held("ec", "ES384", "current", EC)


def app(**changes: object) -> smart.ClientApp:
    fields = {
        "client_id": "ehrcommerce",
        "auth_method": "private_key_jwt",
        "redirect_uri": "https://us.example/cb",
        "key": KEY,
    }
    return smart.ClientApp(**{**fields, **changes})  # type: ignore[arg-type]


def exchange(ehr: FakeEhr, client: smart.ClientApp) -> dict[str, str]:
    """A code exchange; returns the form that the EHR got."""
    smart.exchange_code(
        client,
        partner=Partner(f"test {ehr.url}", ehr.url),
        token_endpoint=f"{ehr.url}/token",
        code="c 1+/ü",
        code_verifier="v",
        requested="openid",
    )
    return ehr.asked[-1][2]


@pytest.mark.smart("A1")
def test_pkce_as_in_rfc_7636_appendix_b() -> None:
    assert (
        smart.challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


@pytest.mark.smart("A2", "A3")
def test_each_attempt_is_new_and_long_enough() -> None:
    attempts = [smart.new_attempt("abcdefghijkl") for _ in range(100)]
    for name in ("state", "nonce", "code_verifier"):
        assert len({getattr(attempt, name) for attempt in attempts}) == 100
    assert all(attempt.state.startswith("abcdefghijkl.") and len(attempt.state) == 45 for attempt in attempts)
    assert all(43 <= len(attempt.code_verifier) <= 128 for attempt in attempts)
    assert "state" not in repr(attempts[0])


@pytest.mark.smart("A1", "A4", "L5")
def test_the_authorization_request_has_exactly_the_fields_of_the_specification() -> None:
    attempt = smart.new_attempt("abcdefghijkl")
    fields = smart.authorization_fields(
        app(), attempt, launch='x y+%"<&>', aud="https://ehr/fhir", scope="launch openid"
    )
    url = smart.authorization_url("https://ehr/authorize?tenant=7&empty=", fields)
    asked = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert set(asked) == {
        "tenant", "empty", "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "launch",
        "code_challenge",
        "code_challenge_method", "nonce",
    }  # fmt: skip
    assert asked["launch"] == ['x y+%"<&>']
    assert asked["tenant"] == ["7"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["code_challenge"] == [smart.challenge(attempt.code_verifier)]
    assert attempt.code_verifier not in url


@pytest.mark.smart("A5", "A8")
def test_scopes_are_the_minimum_in_the_dialect_of_the_ehr() -> None:
    v2 = smart.scopes("v2", supported=frozenset())
    assert "patient/MedicationRequest.rs" in v2
    assert "*" not in v2
    assert "online_access" not in v2
    assert "Coverage" not in v2
    v1 = smart.scopes("v1", supported=frozenset({"online_access"})).split()
    assert "patient/MedicationRequest.read" in v1
    assert "online_access" in v1
    assert not [scope for scope in v1 if scope.endswith((".rs", ".r"))]
    assert smart.in_v1("system/Task.cu") == "system/Task.write"
    assert smart.in_v1("system/Task.cru") == "system/Task.*"


@pytest.mark.smart("T1", "T2", "K3", "K4")
def test_a_code_exchange_signs_a_short_assertion_and_sends_no_secret(ehr: FakeEhr) -> None:
    form = exchange(ehr, app())
    assert set(form) == {
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "client_assertion",
        "client_assertion_type",
    }
    assert form["code"] == "c 1+/ü"
    token = jwt.decode(form["client_assertion"], EC, algorithms=["ES384"])
    assert token.header == {"alg": "ES384", "kid": "ec", "typ": "JWT"}
    assert token.claims["iss"] == token.claims["sub"] == "ehrcommerce"
    assert token.claims["aud"] == f"{ehr.url}/token"
    assert 0 < token.claims["exp"] - token.claims["iat"] <= 300


@pytest.mark.smart("K4")
def test_no_assertion_is_used_twice(ehr: FakeEhr) -> None:
    client = app()
    assertions = [exchange(ehr, client)["client_assertion"] for _ in range(5)]
    payloads = [jws.extract_compact(each.encode()).payload for each in assertions]
    assert len({json.loads(payload or b"{}")["jti"] for payload in payloads}) == 5


@pytest.mark.smart("T2", "T3")
def test_a_secret_goes_into_the_header_and_a_public_client_names_itself_in_the_body(ehr: FakeEhr) -> None:
    form = exchange(ehr, app(auth_method="client_secret_basic", secret="s3cret", key=None))
    assert "client_id" not in form
    assert "client_secret" not in form
    assert exchange(ehr, app(auth_method="client_secret_post", secret="s3cret", key=None))["client_secret"] == "s3cret"
    assert exchange(ehr, app(auth_method="none", key=None))["client_id"] == "ehrcommerce"


@pytest.mark.smart("T1", "H31")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_not_followed(ehr: FakeEhr, status: int) -> None:
    ehr.replies["/token"] = (status, {"Location": f"{ehr.url}/elsewhere"}, b"")
    with pytest.raises(errors.BadToken):
        exchange(ehr, app())
    assert ehr.paths() == ["/token"]


@pytest.mark.smart("D2")
def test_a_token_endpoint_on_another_origin_gets_nothing(ehr: FakeEhr) -> None:
    partner = Partner("test elsewhere", "https://ehr.example.org")
    with pytest.raises(errors.EhrUnreachable):
        smart.exchange_code(
            app(), partner=partner, token_endpoint=f"{ehr.url}/token", code="c", code_verifier="v", requested=""
        )
    assert ehr.asked == []


@pytest.mark.smart("T8")
def test_tokens_and_secrets_are_in_no_repr() -> None:
    assert "s3cret" not in repr(app(secret="s3cret"))
    assert "EC" not in repr(app())


@pytest.mark.smart("H33")
def test_a_refusal_of_the_client_is_told_from_a_refusal_of_the_code(ehr: FakeEhr) -> None:
    ehr.replies["/token"] = as_json({"error": "invalid_grant", "error_description": "<b>Cy Sample</b>"}, 400)
    with pytest.raises(errors.TokenRefused) as refusal:
        exchange(ehr, app())
    assert "Cy" not in str(refusal.value) + repr(refusal.value.__cause__)
    ehr.replies["/token"] = as_json({"error": "invalid_client"}, 401)
    with pytest.raises(errors.ClientRefused):
        exchange(ehr, app())
