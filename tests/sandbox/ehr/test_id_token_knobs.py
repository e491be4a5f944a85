"""id_tokens as no client may accept them, and the odd ones that it has to."""

import base64
import time
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import CLIENT_ID, SmartClient, unsigned


def key_set(ehr: SmartClient) -> KeySet:
    return KeySet.import_key_set(requests.get(f"{ehr.auth}/jwks", timeout=10).json())


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"])
def test_each_algorithm_signs_with_a_key_that_is_published(ehr: SmartClient, algorithm: str) -> None:
    token = ehr.open_with(CY, id_token_alg=algorithm)["id_token"]

    decoded = jwt.decode(token, key_set(ehr), algorithms=[algorithm])

    assert decoded.header["alg"] == algorithm
    assert decoded.claims["aud"] == CLIENT_ID


def test_none_and_the_public_key_as_a_secret(ehr: SmartClient) -> None:
    bare = ehr.open_with(CY, id_token_alg="none")["id_token"]
    shared = ehr.open_with(CY, id_token_alg="HS256")["id_token"]
    told = ehr.open_with(CY, id_token_alg="HS256", id_token_hs_secret="client-secret")["id_token"]

    assert (unsigned(bare)[0]["alg"], bare.endswith(".")) == ("none", True)
    assert unsigned(shared)[0]["alg"] == "HS256"
    assert len({bare.split(".")[2], shared.split(".")[2], told.split(".")[2]}) == 3


def test_wrong_signatures(ehr: SmartClient) -> None:
    wrong = ehr.open_with(CY, id_token_signature="wrong")["id_token"]

    with pytest.raises(Exception, match="bad_signature"):
        jwt.decode(wrong, key_set(ehr), algorithms=["RS256"])
    assert ehr.open_with(CY, id_token_signature="empty")["id_token"].endswith(".")


def test_the_name_of_the_key(ehr: SmartClient) -> None:
    published = {key.kid for key in key_set(ehr).keys}

    assert "kid" not in unsigned(ehr.open_with(CY, kid="absent")["id_token"])[0]
    assert unsigned(ehr.open_with(CY, kid="unknown")["id_token"])[0]["kid"] not in published


def test_headers_with_more(ehr: SmartClient) -> None:
    more = {"jku": "{stranger}/jwks", "crit": ["exp"], "typ": None}
    header, _ = unsigned(ehr.open_with(CY, id_token_header=more, id_token_x5c_bytes=900)["id_token"])

    assert header["jku"] == ehr.control("strangers", method="GET")["origin"] + "/jwks"
    assert header["crit"] == ["exp"]
    assert "typ" not in header
    assert len(base64.b64decode(header["x5c"][0])) == 900


@pytest.mark.parametrize(
    ("knobs", "name", "value"),
    [
        ({"id_token": {"iss": "{issuer}/"}}, "iss", "{fhir}/"),
        ({"id_token": {"aud": "other", "azp": "{client_id}"}}, "azp", CLIENT_ID),
        ({"id_token": {"aud": ["{client_id}", "other"]}}, "aud", [CLIENT_ID, "other"]),
        ({"id_token": {"sub": ""}}, "sub", ""),
        ({"id_token": {"sub": None}}, "sub", None),
        ({"id_token": {"patient": "other"}}, "patient", "other"),
        ({"nonce": "wrong"}, "nonce", "nonce-1x"),
        ({"nonce": "drop"}, "nonce", None),
    ],
)
def test_claims(ehr: SmartClient, knobs: dict[str, Any], name: str, value: Any) -> None:
    _, claims = unsigned(ehr.open_with(CY, **knobs)["id_token"])

    assert claims.get(name) == (value.replace("{fhir}", ehr.fhir) if isinstance(value, str) else value)


def test_times(ehr: SmartClient) -> None:
    knobs = {"id_token_times": {"exp": -3600, "iat": 600}, "id_token_strings": ["exp"], "id_token_null": ["nbf"]}
    _, claims = unsigned(ehr.open_with(CY, **knobs)["id_token"])

    assert isinstance(claims["exp"], str)
    assert int(claims["exp"]) < time.time() - 3000
    assert claims["iat"] > time.time() + 500
    assert claims["nbf"] is None


def test_forms(ehr: SmartClient) -> None:
    assert "id_token" not in ehr.open_with(CY, id_token_form="absent")
    assert ehr.open_with(CY, id_token_form="null")["id_token"] is None
    assert ehr.open_with(CY, id_token_form="number")["id_token"] == 42
    assert ehr.open_with(CY, id_token_form="garbage")["id_token"] == "not.a.token"
    assert ehr.open_with(CY, id_token_form="jwe")["id_token"].count(".") == 4


@pytest.mark.parametrize(
    ("form", "end"),
    [
        ("relative", "Practitioner/ada"),
        ("absent", None),
        ("foreign", "{stranger}/fhir/Practitioner/ada"),
        ("device", "{fhir}/Device/ada"),
        ("patient", "{fhir}/Patient/test-cy"),
        ("related_person", "{fhir}/RelatedPerson/ada"),
        ("practitioner_role", "{fhir}/PractitionerRole/ada"),
        ("path", "{fhir}/Practitioner/../Patient/test-cy"),
    ],
)
def test_who_it_is(ehr: SmartClient, form: str, end: str | None) -> None:
    _, claims = unsigned(ehr.open_with(CY, fhir_user=form)["id_token"])
    origin = ehr.control("strangers", method="GET")["origin"]

    assert claims.get("fhirUser") == (end and end.replace("{fhir}", ehr.fhir).replace("{stranger}", origin))


def test_the_older_claim(ehr: SmartClient) -> None:
    _, beside = unsigned(ehr.open_with(CY, profile_claim="beside")["id_token"])
    _, instead = unsigned(ehr.open_with(CY, profile_claim="instead")["id_token"])

    assert beside["profile"] == beside["fhirUser"] == instead["profile"]
    assert "fhirUser" not in instead
