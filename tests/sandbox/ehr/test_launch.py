"""SMART App Launch 2.2 from the server's side: what the sandbox grants, and what it refuses as a strict EHR would."""

import json
import threading
import time
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import ASSERTION_TYPE, CLIENT_ID, REDIRECT_URI, SCOPE, SmartClient, parameters


def test_discovery_names_the_endpoints_and_what_is_supported(ehr: SmartClient) -> None:
    found = requests.get(f"{ehr.fhir}/.well-known/smart-configuration", timeout=10).json()

    assert found["issuer"] == ehr.fhir
    assert found["token_endpoint"] == ehr.token_url
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "client_secret_basic"]
    assert {"launch-ehr", "permission-v2", "authorize-post"} <= set(found["capabilities"])
    openid = requests.get(f"{ehr.fhir}/.well-known/openid-configuration", timeout=10).json()
    assert openid["jwks_uri"] == found["jwks_uri"]
    assert requests.get(f"{ehr.fhir}/metadata", timeout=10).json()["resourceType"] == "CapabilityStatement"


def test_the_discovery_knob_replaces_and_drops_keys(ehr: SmartClient) -> None:
    ehr.control("knobs", {"discovery": {"jwks_uri": None, "issuer": "https://other.example"}})

    found = requests.get(f"{ehr.fhir}/.well-known/smart-configuration", timeout=10).json()

    assert "jwks_uri" not in found
    assert found["issuer"] == "https://other.example"


def test_a_launch_brings_code_then_token_with_context(ehr: SmartClient) -> None:
    orders = [f"MedicationRequest/{CY}-rx-1"]
    back = ehr.authorize(ehr.launch(CY, orders=orders))
    answer = ehr.exchange(back["code"])
    token = answer.json()

    assert (back["state"], back["iss"]) == ("state-1", ehr.fhir)
    assert answer.headers["Cache-Control"] == "no-store"
    assert token["token_type"] == "Bearer"
    assert token["patient"] == CY
    assert token["need_patient_banner"] is True
    assert token["fhirContext"] == [{"reference": orders[0]}]
    assert set(token["scope"].split()) == set(SCOPE.split())
    assert token["refresh_token"]
    assert requests.get(token["smart_style_url"], timeout=10).json()["color_text"]


def test_the_id_token_names_user_and_nothing_more(ehr: SmartClient) -> None:
    token = ehr.open_chart(CY)
    keys = KeySet.import_key_set(requests.get(f"{ehr.url}/auth/jwks", timeout=10).json())
    decoded = jwt.decode(token["id_token"], keys, algorithms=["RS256"])

    assert set(decoded.claims) == {"iss", "sub", "aud", "nonce", "iat", "exp", "fhirUser"}
    assert decoded.claims["aud"] == CLIENT_ID
    assert decoded.claims["nonce"] == "nonce-1"
    assert decoded.claims["fhirUser"] == f"{ehr.fhir}/Practitioner/ada"
    assert decoded.claims["exp"] - decoded.claims["iat"] == 300


def test_knobs_change_id_token_and_token_answer(ehr: SmartClient) -> None:
    wishes = {"id_token": {"nonce": None}, "token_response": {"patient": None, "extra": 1}, "token_life_s": 7}
    ehr.control("knobs", wishes)

    token = ehr.open_chart(CY)

    assert "patient" not in token
    assert (token["extra"], token["expires_in"]) == (1, 7)
    keys = KeySet.import_key_set(requests.get(f"{ehr.url}/auth/jwks", timeout=10).json())
    assert "nonce" not in jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims


def test_authorize_by_post_is_the_same(ehr: SmartClient) -> None:
    fields = ehr.authorize_fields(ehr.launch(CY))

    answer = ehr.http.post(f"{ehr.url}/auth/authorize", data=fields, allow_redirects=False, timeout=10)

    assert ehr.exchange(parameters(answer)["code"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://other.example/fhir"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "patient/Observation.rs"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"launch": "unknown"}, "invalid_request"),
    ],
)
def test_a_wrong_authorization_request_is_refused_by_redirect(
    ehr: SmartClient, changes: dict[str, str | None], error: str
) -> None:
    back = ehr.authorize(ehr.launch(CY), **changes)

    assert (back["error"], back["state"], back["iss"]) == (error, "state-1", ehr.fhir)
    assert "code" not in back


@pytest.mark.parametrize("changes", [{"redirect_uri": f"{REDIRECT_URI}more"}, {"client_id": "nobody"}])
def test_without_a_fitting_client_and_address_nobody_is_redirected(ehr: SmartClient, changes: dict[str, str]) -> None:
    answer = ehr.authorize_raw(ehr.launch(CY), **changes)

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_launch_of_another_user_is_refused(ehr: SmartClient) -> None:
    launch = ehr.launch(CY, user="lund")
    ehr.launch(CY, user="ada")

    assert ehr.authorize(launch)["error"] == "access_denied"


def test_without_a_sign_in_the_sign_in_page_comes_first(ehr: SmartClient) -> None:
    launch = ehr.launch(CY)
    ehr.http.cookies.clear()

    page = ehr.http.get(f"{ehr.url}/auth/authorize", params=ehr.authorize_fields(launch), timeout=10)

    assert "Sign in to Lakeside EHR" in page.text
    form = {"username": "ada", "password": "demo", "next": _hidden(page.text, "next")}
    form["csrfmiddlewaretoken"] = _hidden(page.text, "csrfmiddlewaretoken")
    answer = ehr.http.post(f"{ehr.url}/ehr/login", data=form, allow_redirects=False, timeout=10)
    back = ehr.http.get(f"{ehr.url}{answer.headers['Location']}", allow_redirects=False, timeout=10)
    assert ehr.exchange(parameters(back)["code"]).json()["patient"] == CY


def test_in_a_frame_a_cookie_that_was_kept_back_is_asked_for_once_more(ehr: SmartClient) -> None:
    fields = ehr.authorize_fields(ehr.launch(CY))
    cookies = dict(ehr.http.cookies)
    ehr.http.cookies.clear()
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}

    page = ehr.http.post(f"{ehr.url}/auth/authorize", data=fields, headers=headers, timeout=10)
    again = unescape(page.text.split('content="0; url=')[1].split('"')[0])
    ehr.http.cookies.update(cookies)

    assert "code" in parameters(ehr.http.get(f"{ehr.url}{again}", allow_redirects=False, timeout=10))


def _hidden(page: str, name: str) -> str:
    return unescape(page.split(f'name="{name}" value="')[1].split('"')[0])


def test_a_code_works_once_and_its_second_use_revokes_the_token(ehr: SmartClient) -> None:
    code = ehr.authorize(ehr.launch(CY))["code"]
    token = ehr.exchange(code).json()["access_token"]
    ehr.http.headers["Authorization"] = f"Bearer {token}"
    assert ehr.get(f"Patient/{CY}").status_code == 200

    again = ehr.exchange(code)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert ehr.get(f"Patient/{CY}").status_code == 401


@pytest.mark.parametrize("changes", [{"code_verifier": "x" * 50}, {"code_verifier": ""}, {"redirect_uri": "http://x/"}])
def test_a_code_without_its_verifier_or_address_is_worth_nothing(ehr: SmartClient, changes: dict[str, str]) -> None:
    code = ehr.authorize(ehr.launch(CY))["code"]

    assert ehr.exchange(code, **changes).status_code == 400


def test_an_assertion_is_five_minutes_at_most_for_this_address_and_once(ehr: SmartClient) -> None:
    now = int(time.time())
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}

    assert ehr.token(**form).status_code == 200
    used = ehr.assertion()
    assert ehr.token(used, **form).status_code == 200
    wrong = [
        used,
        ehr.assertion(exp=now + 400),
        ehr.assertion(exp=now - 60),
        ehr.assertion(aud=ehr.fhir),
        ehr.assertion(iss="someone"),
        ehr.assertion(sub="someone"),
        ehr.assertion(header={"kid": "unknown"}),
        ehr.assertion(header={"typ": "at+jwt"}),
        SmartClient(url=ehr.url, control_token="", key=_same_kid(ehr.key)).assertion(),
    ]
    for assertion in wrong:
        answer = ehr.token(assertion, **form)
        assert answer.json()["error"] == "invalid_client", answer.text
        assert answer.status_code in (400, 401)


def _same_kid(key: ECKey) -> ECKey:
    return ECKey.generate_key("P-384", parameters={"kid": str(key.kid)})


def test_keys_come_from_the_clients_address_and_an_unknown_kid_is_looked_up_at_once(ehr: SmartClient) -> None:
    asked: list[str] = []

    class KeySetPage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"keys": [ehr.key.as_dict(private=False)]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silence."""

    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}
    with HTTPServer(("127.0.0.1", 0), KeySetPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ehr.register(jwks=None, jwks_uri=f"http://127.0.0.1:{server.server_port}/jwks.json")
        first = [ehr.token(**form).status_code for _ in range(2)]
        ehr.key = ECKey.generate_key("P-384", parameters={"kid": "rotated"})
        second = ehr.token(**form).status_code
        server.shutdown()
    ehr.register(jwks_uri="")

    assert (first, second) == ([200, 200], 200)
    assert len(asked) == 2


def test_basic_works_for_a_client_with_a_secret_but_not_for_backend_services(ehr: SmartClient) -> None:
    ehr.register(auth_method="client_secret_basic", secret="s3cret")
    code = ehr.authorize(ehr.launch(CY))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": ehr.verifier,
    }

    wrong = requests.post(ehr.token_url, data=form, auth=(CLIENT_ID, "wrong"), timeout=10)
    right = requests.post(ehr.token_url, data=form, auth=(CLIENT_ID, "s3cret"), timeout=10)
    system = {"grant_type": "client_credentials", "scope": "system/Patient.r"}
    backend = requests.post(ehr.token_url, data=system, auth=(CLIENT_ID, "s3cret"), timeout=10)

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert backend.json()["error"] == "invalid_client"


def test_backend_services_get_system_scopes_only(ehr: SmartClient) -> None:
    answer = ehr.token(grant_type="client_credentials", scope="patient/Patient.r")

    assert answer.json()["error"] == "invalid_scope"


def test_scopes_are_granted_in_their_own_dialect_and_without_their_query(ehr: SmartClient) -> None:
    wish = "launch patient/MedicationRequest.rs?status=active patient/Patient.read patient/Nothing.rs "
    wish += "patient/Coverage.crus"

    token = ehr.open_chart(CY, scope=wish)

    granted = {"launch", "patient/MedicationRequest.rs", "patient/Patient.read", "patient/Coverage.rs"}
    assert set(token["scope"].split()) == granted
    assert "refresh_token" not in token
    assert "id_token" not in token


def test_a_refresh_token_works_once_and_keeps_the_context(ehr: SmartClient) -> None:
    first = ehr.open_chart(CY)

    second = ehr.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    again = ehr.token(grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert second.json()["patient"] == CY
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert again.json()["error"] == "invalid_grant"
    assert ehr.get(f"Patient/{CY}").status_code == 401


def test_revocation_and_introspection(ehr: SmartClient) -> None:
    token = ehr.open_chart(CY)
    form = {"token": token["access_token"], "client_assertion_type": ASSERTION_TYPE}

    def post(name: str) -> requests.Response:
        return requests.post(f"{ehr.url}/auth/{name}", data={**form, "client_assertion": ehr.assertion()}, timeout=10)

    assert post("introspect").json()["patient"] == CY
    assert post("revoke").status_code == 200
    assert post("introspect").json() == {"active": False}
    assert ehr.get(f"Patient/{CY}").status_code == 401


def test_an_app_outside_a_chart_lets_the_clinician_choose_the_patient(ehr: SmartClient) -> None:
    ehr.launch(CY)
    page = ehr.http.get(f"{ehr.url}/auth/authorize", params=ehr.authorize_fields("", launch=None), timeout=10)

    assert "For which patient?" in page.text
    form = {name: _hidden(page.text, name) for name in ("csrfmiddlewaretoken", "next")}
    form["patient"] = CY
    answer = ehr.http.post(f"{ehr.url}/ehr/pick", data=form, allow_redirects=False, timeout=10)
    back = ehr.http.get(f"{ehr.url}{answer.headers['Location']}", allow_redirects=False, timeout=10)
    assert ehr.exchange(parameters(back)["code"]).json()["patient"] == CY


def test_no_credential_is_in_the_journal(ehr: SmartClient) -> None:
    last = ehr.control("journal?partner=ehr", method="GET")["entries"][-1:]
    since = last[0]["id"] if last else 0
    token = ehr.open_chart(CY)
    ehr.get(f"Patient/{CY}")

    text = str(ehr.control(f"journal?since_id={since}", method="GET")["entries"])

    for secret in (token["access_token"], token["refresh_token"], token["id_token"], ehr.verifier):
        assert secret not in text
    assert "Bearer (present)" in text
