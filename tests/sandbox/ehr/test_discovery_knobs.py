"""Discovery and keys as hostile or careless EHRs publish them."""

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import SmartClient, unsigned


def smart(client: SmartClient) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{client.fhir}/.well-known/smart-configuration", timeout=10).json()
    return found


def keys(client: SmartClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{client.auth}/jwks", timeout=30).json()["keys"]
    return found


def stranger(client: SmartClient) -> str:
    return str(client.control("strangers", method="GET")["origin"])


def test_each_document_can_lose_keys_of_its_own(ehr: SmartClient) -> None:
    odd = ehr.at(smart_configuration={"issuer": None, "jwks_uri": None}, discovery_null=["scopes_supported"])
    openid = requests.get(f"{odd.fhir}/.well-known/openid-configuration", timeout=10).json()

    assert not {"issuer", "jwks_uri"} & set(smart(odd))
    assert smart(odd)["scopes_supported"] is None
    assert openid["jwks_uri"] == f"{odd.auth}/jwks"


@pytest.mark.parametrize("slash", ["", "/"])
def test_relative_endpoints_lead_to_the_right_place(ehr: SmartClient, slash: str) -> None:
    odd = ehr.at(discovery_endpoints="relative")
    found = smart(odd)["token_endpoint"]

    assert "://" not in found
    assert urljoin(odd.fhir + slash, found) == odd.token_url


@pytest.mark.parametrize("form", ["foreign", "userinfo", "http", "root_relative"])
def test_endpoints_can_be_moved(ehr: SmartClient, form: str) -> None:
    odd = ehr.at(discovery_endpoints=form)
    found = smart(odd)["token_endpoint"]
    host, other = urlsplit(ehr.url).netloc, urlsplit(stranger(ehr)).netloc

    path = urlsplit(odd.token_url).path
    expected = {
        "foreign": f"http://{other}{path}",
        "userinfo": f"http://{host}@{other}{path}",
        "http": f"https://{host}{path}",
        "root_relative": path,
    }
    assert found == expected[form]


def test_poison_is_what_a_library_would_swallow(ehr: SmartClient) -> None:
    found = smart(ehr.at(discovery_poison=True))

    assert found["verify"] is False
    assert found["code_challenge_method"] == "plain"
    assert found["proxies"]["https"] == stranger(ehr)
    assert {"client_id", "scope", "state", "prompt", "token_endpoint_auth_method"} <= set(found)


def test_the_issuer_may_be_elsewhere_and_has_its_own_document(ehr: SmartClient) -> None:
    odd = ehr.at(issuer="/oidc/idsps/1/", more_issuers=["/oidc/idsps/2/"])
    root = f"{odd.url}/profiles/{odd.profile}"

    assert smart(odd)["issuer"] == f"{root}/oidc/idsps/1/"
    for number in (1, 2):
        issuer = f"{root}/oidc/idsps/{number}/"
        found = requests.get(f"{issuer}.well-known/openid-configuration", timeout=10).json()
        assert found["issuer"] == issuer
        token = odd.open_with(CY, issuer=f"/oidc/idsps/{number}/")
        assert unsigned(token["id_token"])[1]["iss"] == issuer
    assert requests.get(f"{root}/oidc/idsps/3/.well-known/openid-configuration", timeout=10).status_code == 404


def test_the_issuer_may_be_the_fhir_base_and_a_slash(ehr: SmartClient) -> None:
    odd = ehr.at(issuer="+/")

    assert smart(odd)["issuer"] == f"{odd.fhir}/"


def test_another_fhir_version_is_told(ehr: SmartClient) -> None:
    odd = ehr.at(fhir_version="3.0.1", metadata={"software": None})
    found = requests.get(f"{odd.fhir}/metadata", timeout=10).json()

    assert found["fhirVersion"] == "3.0.1"
    assert "software" not in found


def test_key_sets_in_every_shape(ehr: SmartClient) -> None:
    usual = keys(ehr.at())

    assert [key["kty"] for key in usual] == ["RSA", "EC", "EC"]
    assert not [key for key in usual if {"d", "p", "q"} & set(key)]
    assert [key["kty"] for key in keys(ehr.at(jwks_keys="one"))] == ["RSA"]
    assert not [key for key in keys(ehr.at(jwks_keys="no_kid")) if "kid" in key]
    two = keys(ehr.at(jwks_keys="two_no_kid"))
    assert len({key["n"] for key in two}) == 2
    assert not [key for key in two if "kid" in key]
    assert [key["use"] for key in keys(ehr.at(jwks_keys="enc"))] == ["enc"]
    assert keys(ehr.at(jwks_keys="enc_beside"))[0]["use"] == "enc"
    assert keys(ehr.at(jwks_keys="with_unknown"))[0]["kty"] == "AKP"
    assert keys(ehr.at(jwks_keys="empty")) == []
    wrong = keys(ehr.at(jwks_keys="wrong"))
    assert (wrong[0]["kid"], wrong[0]["n"] == usual[0]["n"]) == (usual[0]["kid"], False)


def test_keys_rotate(ehr: SmartClient) -> None:
    odd = ehr.at()
    before, (first, _) = keys(odd), unsigned(odd.open_chart(CY)["id_token"])
    ahead, _ = unsigned(odd.open_with(CY, key_generation=2)["id_token"])
    odd.control("profiles", {"name": odd.profile, "knobs": {"key_generation": 2}}, method="PATCH")
    after = keys(odd)

    assert first["kid"] in [key["kid"] for key in before]
    assert ahead["kid"] not in [key["kid"] for key in before]
    assert ahead["kid"] in [key["kid"] for key in after]
    assert first["kid"] not in [key["kid"] for key in after]


@pytest.mark.parametrize("manner", ["honor", "refuse"])
def test_the_statement_lists_includes_and_batches_as_they_are_answered(ehr: SmartClient, manner: str) -> None:
    """Who is connected by its words must neither be warned of what works nor promised what does not."""
    odd = ehr.at(batch=manner, include="honor" if manner == "honor" else "ignore")
    (rest,) = requests.get(f"{odd.fhir}/metadata", timeout=10).json()["rest"]
    (orders,) = [one for one in rest["resource"] if one["type"] == "MedicationRequest"]
    assert ("MedicationRequest:medication" in orders.get("searchInclude", [])) is (manner == "honor")
    assert ({"code": "batch"} in rest.get("interaction", [])) is (manner == "honor")
