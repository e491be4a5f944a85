"""The foreign origin: whatever arrives there is written down and turned away."""

import secrets

import requests

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import SmartClient


def test_what_reaches_the_stranger_is_written_down_without_its_secret(ehr: SmartClient) -> None:
    found = ehr.control("strangers", method="GET")
    place = f"/fhir/{secrets.token_hex(6)}"
    headers = {"Authorization": "Bearer very-secret"}

    answer = requests.post(
        f"{found['origin']}{place}?x=1", data={"client_secret": "hush", "a": "b"}, headers=headers, timeout=10
    )

    assert answer.status_code == 418
    told = ehr.control(f"strangers?since={found['mark']}", method="GET")
    (request,) = [one for one in told["requests"] if one["path"] == place]
    assert (request["method"], request["query"]) == ("POST", "x=1")
    assert request["headers"]["Authorization"] == "Bearer (present)"
    assert "hush" not in str(told)
    assert told["mark"] >= request["id"]


def test_nothing_of_the_ehr_lives_at_the_stranger(ehr: SmartClient) -> None:
    origin = ehr.control("strangers", method="GET")["origin"]

    assert origin != ehr.url
    for path in ("/fhir/R4/metadata", "/auth/jwks", "/ehr/login", "/"):
        assert requests.get(f"{origin}{path}", timeout=10).status_code == 418


def test_a_usual_launch_leaves_the_stranger_alone(ehr: SmartClient) -> None:
    own = ehr.at()
    mark = ehr.control("strangers", method="GET")["mark"]
    own.open_chart(CY)
    own.get(f"Patient/{CY}")

    told = ehr.control(f"strangers?since={mark}", method="GET")["requests"]
    assert [one for one in told if own.profile in one["path"]] == []


def test_health_and_control_answer_under_both_names(ehr: SmartClient) -> None:
    origin = ehr.control("strangers", method="GET")["origin"]
    headers = {"X-Sandbox-Control": ehr.control_token}

    assert requests.get(f"{origin}/healthz", timeout=10).text == "ok"
    assert requests.get(f"{origin}/control/strangers", headers=headers, timeout=10).json()["origin"] == origin
