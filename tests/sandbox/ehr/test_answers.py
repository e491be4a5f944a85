"""Spoiled answers at every endpoint: what a client meets when a server is broken, slow, hostile or odd."""

import json
import time
import zlib
from typing import Any

import pytest
import requests

from tests.sandbox.ehr.conftest import CY, task
from tests.sandbox.ehr.smart_client import ASSERTION_TYPE, SmartClient


def smart(client: SmartClient, **options: Any) -> requests.Response:
    address = f"{client.fhir}/.well-known/smart-configuration"
    return requests.get(address, timeout=20, allow_redirects=False, **options)


@pytest.mark.parametrize(
    ("manner", "begins"),
    [
        ("html", "<!DOCTYPE html>"),
        ("array", '[{"issuer"'),
        ("null", "null"),
        ("empty", ""),
        ("number", "42"),
        ("string", '"text"'),
        ("text", "OK"),
    ],
)
def test_a_document_that_is_none(ehr: SmartClient, manner: str, begins: str) -> None:
    answer = smart(ehr.at(discovery_answer=manner))

    assert answer.status_code == 200
    assert answer.text.startswith(begins)
    assert answer.text or manner == "empty"


def test_json_at_the_edge_of_json(ehr: SmartClient) -> None:
    assert smart(ehr.at(discovery_answer="bom")).content.startswith(b'\xef\xbb\xbf{"issuer"')
    assert smart(ehr.at(discovery_answer="nan")).text.endswith('"extra":NaN}')
    assert smart(ehr.at(discovery_answer="deep")).text.count("[" * 2000) == 1
    wish = {"manner": "duplicate_keys", "key": "token_endpoint"}
    assert smart(ehr.at(discovery_answer=wish)).text.count('"token_endpoint":') == 2
    with pytest.raises(json.JSONDecodeError):
        smart(ehr.at(discovery_answer="truncate")).json()


@pytest.mark.parametrize("status", ["404", "500", "503"])
def test_only_a_status(ehr: SmartClient, status: str) -> None:
    assert smart(ehr.at(discovery_answer=status)).status_code == int(status)


def test_a_redirect_leads_to_the_stranger(ehr: SmartClient) -> None:
    odd = ehr.at(discovery_answer={"manner": "redirect", "status": 307})
    answer = smart(odd)
    origin = ehr.control("strangers", method="GET")["origin"]

    assert answer.status_code == 307
    assert answer.headers["Location"] == f"{origin}/profiles/{odd.profile}/fhir/.well-known/smart-configuration"


def test_huge_documents_are_whole_json(ehr: SmartClient) -> None:
    small = smart(ehr.at(discovery_answer={"manner": "huge", "bytes": 300_000}))
    assert small.headers["Content-Length"] == str(len(small.content))
    assert len(small.json()["padding"]) == 300_000

    big = smart(ehr.at(discovery_answer="huge"), stream=True)
    assert "Content-Length" not in big.headers
    assert len(big.raw.read(2_000_000)) == 2_000_000
    big.close()


def test_a_gzip_bomb_is_small_on_the_wire(ehr: SmartClient) -> None:
    answer = smart(ehr.at(discovery_answer={"manner": "gzip_bomb", "bytes": 20_000_000}), stream=True)
    packed = answer.raw.read(decode_content=False)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 100_000
    assert len(zlib.decompress(packed, zlib.MAX_WBITS | 16)) > 20_000_000


def test_a_drip_comes_slowly(ehr: SmartClient) -> None:
    started = time.perf_counter()
    answer = smart(ehr.at(discovery_answer={"manner": "drip", "seconds": 1}))

    assert time.perf_counter() - started >= 0.9
    assert answer.json()["token_endpoint"]


@pytest.mark.parametrize("manner", ["reset", "drop"])
def test_a_connection_breaks(ehr: SmartClient, manner: str) -> None:
    odd = ehr.at(discovery_answer=manner)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        smart(odd)


def test_some_times_after_some(ehr: SmartClient) -> None:
    odd = ehr.at(discovery_answer={"manner": "500", "after": 1, "times": 2})

    assert [smart(odd).status_code for _ in range(4)] == [200, 500, 500, 200]


def test_every_endpoint_can_be_spoiled(ehr: SmartClient) -> None:
    odd = ehr.at(
        openid_answer="500", jwks_answer="502", metadata_answer="503", style_answer="504", introspection_answer="505",
        revocation_answer="506", authorize_answer="507",
    )  # fmt: skip
    form = {"token": "x", "client_assertion_type": ASSERTION_TYPE, "client_assertion": odd.assertion()}

    def status(method: str, address: str) -> int:
        return requests.request(method, address, data=form if method == "POST" else None, timeout=10).status_code

    root = f"{odd.url}/profiles/{odd.profile}"
    assert status("GET", f"{odd.fhir}/.well-known/openid-configuration") == 500
    assert status("GET", f"{odd.auth}/jwks") == 502
    assert status("GET", f"{odd.fhir}/metadata") == 503
    assert status("GET", f"{root}/ehr/smart-style.json") == 504
    assert status("POST", f"{odd.auth}/introspect") == 505
    assert status("POST", f"{odd.auth}/revoke") == 506
    assert status("GET", f"{odd.auth}/authorize") == 507


@pytest.mark.parametrize(
    ("wish", "status", "text"),
    [
        ("html", 200, "<!DOCTYPE"),
        ("array", 200, "[{"),
        ("error_200", 200, '{"error": "invalid_request"'),
        ("form", 200, "token_type=Bearer"),
        ({"manner": "oauth_error", "error": "invalid_grant"}, 400, '{"error": "invalid_grant"'),
        ({"manner": "oauth_error", "error": "invalid_client", "status": 401}, 401, '{"error": "invalid_client"'),
        ({"manner": "429", "headers": {"Retry-After": "1"}}, 429, ""),
        ("503", 503, ""),
    ],
)
def test_token_answers_of_one_launch(ehr: SmartClient, wish: Any, status: int, text: str) -> None:
    answer = ehr.exchange(ehr.authorize(ehr.launch(CY, knobs={"token_answer": wish}))["code"])

    assert answer.status_code == status
    assert text in answer.text
    if status == 429:
        assert answer.headers["Retry-After"] == "1"
    assert ehr.exchange(ehr.authorize(ehr.launch(CY))["code"]).json()["token_type"] == "Bearer"


def test_a_refused_token_request_leaves_the_code_good_for_a_second_try(ehr: SmartClient) -> None:
    wish = {"manner": "503", "headers": {"Retry-After": "1"}, "times": 1}
    code = ehr.authorize(ehr.launch(CY, knobs={"token_answer": wish}))["code"]

    assert [ehr.exchange(code).status_code for _ in range(2)] == [503, 200]


def test_the_refresh_alone_can_be_spoiled(ehr: SmartClient) -> None:
    token = ehr.open_with(CY, refresh_answer={"manner": "oauth_error", "error": "invalid_grant"})

    answer = ehr.token(grant_type="refresh_token", refresh_token=token["refresh_token"])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_one_grant_alone_can_be_spoiled(ehr: SmartClient) -> None:
    odd = ehr.at(token_answer={"manner": "500", "grants": ["client_credentials"]})

    assert odd.token(grant_type="client_credentials", scope="system/Patient.r").status_code == 500
    assert odd.open_chart(CY)["access_token"]


def test_fhir_answers_by_type_and_interaction(ehr: SmartClient) -> None:
    wishes = [
        {"manner": "401", "interactions": ["search"], "types": ["MedicationRequest"], "after": 1, "times": 1},
        {"manner": "410", "interactions": ["read"], "types": ["Medication"]},
        {"manner": "429", "types": ["Coverage"], "headers": {"Retry-After": "86400"}},
        {"manner": "outcome_200", "types": ["ServiceRequest"]},
        {"manner": "null", "types": ["DeviceRequest"]},
    ]
    ehr.open_with(CY, fhir_answer=wishes)

    assert [ehr.get("MedicationRequest").status_code for _ in range(3)] == [200, 401, 200]
    gone = ehr.get("Medication/test-drug")
    assert (gone.status_code, gone.json()["resourceType"]) == (410, "OperationOutcome")
    assert ehr.get("Coverage").headers["Retry-After"] == "86400"
    assert ehr.get("ServiceRequest").json()["resourceType"] == "OperationOutcome"
    assert ehr.get("DeviceRequest").text == "null"
    assert ehr.get(f"Patient/{CY}").status_code == 200


@pytest.mark.parametrize("wish", [{"manner": "500"}, {"manner": "reset"}, {"manner": "timeout", "seconds": 1}])
def test_a_write_may_be_done_and_its_answer_lost(ehr: SmartClient, wish: dict[str, Any]) -> None:
    marker = f"lost-{time.time()}"
    ehr.open_with(CY, fhir_answer={**wish, "commit": True, "interactions": ["create"]})

    try:
        status = ehr.send("POST", "Task", task(marker)).status_code
    except requests.ConnectionError:
        status = 0

    assert status in {"500": [500], "reset": [0], "timeout": [201]}[wish["manner"]]
    assert ehr.get(f"Task?identifier=urn:test|{marker}").json()["total"] == 1


def test_the_style_of_one_launch(ehr: SmartClient) -> None:
    colored = ehr.open_with(CY, style={"color_text": "expression(alert(1))"})
    broken = ehr.open_with(CY, style_answer={"manner": "huge", "bytes": 300_000})
    foreign = ehr.open_with(CY, token_response={"smart_style_url": "{stranger}/style.json"})

    assert requests.get(colored["smart_style_url"], timeout=10).json()["color_text"] == "expression(alert(1))"
    assert len(requests.get(broken["smart_style_url"], timeout=10).content) > 300_000
    assert requests.get(foreign["smart_style_url"], timeout=10).status_code == 418


def test_a_rate_limit_is_kept(ehr: SmartClient) -> None:
    limit = {"requests": 2, "seconds": 30, "status": 403, "endpoints": ["fhir"]}
    ehr.open_with(CY, rate_limit=limit, error_format="text")

    assert [ehr.get(f"Patient/{CY}").status_code for _ in range(3)] == [200, 200, 403]
