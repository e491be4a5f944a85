"""The vendors: each answers in the shape that its real counterpart is known for, and a right client gets through."""

import base64
from functools import cache
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import CLIENT_ID, REDIRECT_URI, SmartClient, matches, unsigned

V1 = "launch openid fhirUser online_access patient/Patient.read patient/MedicationRequest.read patient/Coverage.read"
V2 = "launch openid fhirUser online_access patient/Patient.r patient/MedicationRequest.rs patient/Coverage.rs"
VENDORS = {
    "athenahealth": V2,
    "eclinicalworks": V1,
    "epic": V2,
    "hapi": V2,
    "inferno": V2,
    "medent": V2,
    "medplum": V2,
    "oracle": V2,
    "smart_launcher": V2,
    "veradigm": V1,
}
ORDERS = "MedicationRequest?patient=test-cy"


def at(ehr: SmartClient, vendor: str) -> SmartClient:
    """The client at the EHR that is served under the vendor's own name."""
    return SmartClient(url=ehr.url, control_token=ehr.control_token, key=ehr.key, profile=vendor)


def document(client: SmartClient, name: str = "smart") -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{client.fhir}/.well-known/{name}-configuration", timeout=10).json()
    return found


@cache
def rsa_key() -> RSAKey:
    """One for all: such keys take long to make."""
    return RSAKey.generate_key(2048, parameters={"kid": "rsa"})


def opened(client: SmartClient, scope: str = V2) -> dict[str, Any]:
    """A whole launch by a client that signs with RS384, which every one of them takes."""
    client.key = rsa_key()  # type: ignore[assignment]  # signs like the other
    client.register()
    code = client.authorize(client.launch(CY), scope=scope, state="s" * 24)["code"]
    assertion = _rs384(client)
    fields = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": client.verifier}
    answer = client.token(assertion, grant_type="authorization_code", **fields)
    assert answer.status_code == 200, answer.text
    token: dict[str, Any] = answer.json()
    client.http.headers["Authorization"] = f"Bearer {token['access_token']}"
    return token


def _rs384(client: SmartClient) -> str:
    _, claims = unsigned(SmartClient(url=client.url, control_token="", profile=client.profile).assertion())
    return jwt.encode({"alg": "RS384", "typ": "JWT", "kid": "rsa"}, claims, client.key, algorithms=["RS384"])


def test_ten_vendors_are_known(ehr: SmartClient) -> None:
    found = ehr.control("profiles", method="GET")["vendors"]

    assert [vendor["name"] for vendor in found] == sorted(VENDORS)
    assert all(vendor["about"] for vendor in found)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_right_launch_gets_through(ehr: SmartClient, vendor: str) -> None:
    client = at(ehr, vendor)
    token = opened(client, VENDORS[vendor])
    keys = requests.get(document(client, "openid")["jwks_uri"], timeout=10).json()
    decoded = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])

    assert decoded.claims["iss"] == document(client, "openid")["issuer"]
    assert decoded.claims["aud"] == CLIENT_ID
    answer = client.get(f"{ORDERS}&intent=order")
    assert answer.status_code == 200
    assert len(matches(answer.json())) in (10, 20)


def test_epic(ehr: SmartClient) -> None:
    client = at(ehr, "epic")
    token = opened(client)

    assert not {"issuer", "jwks_uri", "code_challenge_methods_supported", "grant_types_supported"} & set(
        document(client)
    )
    assert document(client, "openid")["issuer"] == f"{client.url}/profiles/epic/oauth2"
    assert (token["token_type"], token["need_patient_banner"]) == ("bearer", "false")
    assert {"__epic.dstu2.patient", "loginDepartment", "state"} <= set(token)
    assert {"patient/Coverage.Read", "patient/Coverage.read", "Patient.read"} <= set(token["scope"].split())
    bundle = client.get(f"{ORDERS}&_elements=status&_include=MedicationRequest:medication").json()
    assert [entry["search"]["mode"] for entry in bundle["entry"]][-2:] == ["match", "outcome"]
    order = matches(bundle)[0]
    assert order["medicationReference"]["display"] == "Testamine 5 MG"
    assert "note" in order
    assert client.get("DeviceRequest").status_code == 404


def test_epic_wants_basic_url_encoded(ehr: SmartClient) -> None:
    client, secret = at(ehr, "epic"), "s+cret/"
    client.register(auth_method="client_secret_basic", secret=secret)

    def status(text: str) -> int:
        code = client.authorize(client.launch(CY), scope=V2)["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        headers = {"Authorization": "Basic " + base64.b64encode(f"{CLIENT_ID}:{text}".encode()).decode()}
        form["code_verifier"] = client.verifier
        return requests.post(client.token_url, data=form, headers=headers, timeout=10).status_code

    assert (status(quote_plus(secret)), status(secret)) == (200, 401)


def test_oracle(ehr: SmartClient) -> None:
    client = at(ehr, "oracle")
    token = opened(client)
    _, claims = unsigned(token["id_token"])

    assert claims["iss"].endswith("/")
    assert "/oidc/idsps/" in claims["iss"]
    assert claims["profile"] == claims["fhirUser"]
    assert token["expires_in"] == 570
    renewed = [
        client.token(_rs384(client), grant_type="refresh_token", refresh_token=token["refresh_token"]).json()
        for _ in range(2)
    ]
    assert all("access_token" in each and "refresh_token" not in each for each in renewed)
    client.http.headers["Authorization"] = f"Bearer {renewed[1]['access_token']}"
    refused = client.get("MedicationRequest")
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    answer = client.get(ORDERS)
    assert answer.headers["Content-Type"] == "application/json+fhir"
    assert matches(answer.json())[0]["contained"][0]["resourceType"] == "Medication"
    assert client.get(f"{ORDERS}&_id=x").status_code == 400


def test_athenahealth(ehr: SmartClient) -> None:
    limit = {"requests": 2, "seconds": 60, "status": 403, "endpoints": ["fhir"]}
    client = ehr.at(vendor="athenahealth", rate_limit=limit)
    opened(client)

    answers = [client.get(path).status_code for path in (ORDERS, f"{ORDERS}&intent=order", f"{ORDERS}&intent=order")]

    assert answers == [400, 200, 403]


def test_eclinicalworks_takes_rs384_alone(ehr: SmartClient) -> None:
    client = at(ehr, "eclinicalworks")
    answer = client.token(grant_type="client_credentials", scope="system/Patient.read")

    assert answer.json()["error"] == "invalid_client"
    assert document(client)["token_endpoint_auth_signing_alg_values_supported"] == ["RS384"]
    without = {"code_challenge": None, "code_challenge_method": None}
    assert client.authorize(client.launch(CY), scope=V1, **without)["error"] == "invalid_request"


def test_veradigm_refuses_the_second_version(ehr: SmartClient) -> None:
    client = at(ehr, "veradigm")

    assert "permission-v2" not in document(client)["capabilities"]
    assert client.authorize(client.launch(CY), scope=V2)["error"] == "invalid_scope"
    assert "patient/Coverage.read" in opened(client, V1)["scope"].split()


def test_medplum(ehr: SmartClient) -> None:
    client = at(ehr, "medplum")

    assert document(client)["issuer"] == f"{client.url}/profiles/medplum/"
    assert unsigned(opened(client)["id_token"])[1]["iss"] == f"{client.url}/profiles/medplum/"
    assert "medicationCodeableConcept" in matches(client.get(ORDERS).json())[0]


def test_smart_launcher(ehr: SmartClient) -> None:
    client = at(ehr, "smart_launcher")
    form = {"grant_type": "client_credentials", "scope": "system/Patient.r"}

    assert client.token(client.assertion(header={"typ": "x"}), **form).json()["error"] == "invalid_client"
    assert unsigned(opened(client)["id_token"])[1]["nonce"] == "nonce-1"


def test_inferno(ehr: SmartClient) -> None:
    client = at(ehr, "inferno")

    assert document(client)["issuer"] == client.fhir
    assert "jwks_uri" not in document(client)
    assert "nonce" not in unsigned(opened(client)["id_token"])[1]
    assert client.authorize(client.launch(CY), scope=V2, state="short")["error"] == "invalid_request"


def test_hapi(ehr: SmartClient) -> None:
    client = ehr.at(vendor="hapi", page_size=19)
    opened(client)
    bundle = client.get(f"{ORDERS}&_elements=status").json()
    (following,) = [link["url"] for link in bundle["link"] if link["relation"] == "next"]

    assert following.startswith(f"{client.fhir}?_getpages=")
    assert "total" not in bundle
    assert matches(bundle)[0]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert len(matches(client.http.get(following, timeout=10).json())) == 1


def test_medent_names_no_patient(ehr: SmartClient) -> None:
    client = at(ehr, "medent")
    token = opened(client)

    assert "patient" not in token
    assert unsigned(token["id_token"])[1]["fhirUser"] == f"{client.fhir}/Patient/{CY}"
