"""Further EHRs of one sandbox: each with its own addresses, keys to turn, tokens and launches, and all with one chart."""

import pytest
import requests

from tests.sandbox.ehr.conftest import CY
from tests.sandbox.ehr.smart_client import SmartClient, unsigned


def test_a_profile_is_an_ehr_of_its_own(ehr: SmartClient) -> None:
    other = ehr.at()
    found = requests.get(f"{other.fhir}/.well-known/smart-configuration", timeout=10).json()
    token = other.open_chart(CY)

    assert (found["issuer"], found["token_endpoint"]) == (other.fhir, other.token_url)
    assert found["jwks_uri"] == f"{other.auth}/jwks"
    assert unsigned(token["id_token"])[1]["iss"] == other.fhir
    assert token["patient"] == CY
    bundle = other.get(f"MedicationRequest?patient={CY}&_count=1").json()
    assert bundle["entry"][0]["fullUrl"].startswith(f"{other.fhir}/MedicationRequest/")
    assert bundle["link"][0]["url"].startswith(other.fhir)


def test_a_token_of_one_ehr_is_worth_nothing_at_another(ehr: SmartClient) -> None:
    other = ehr.at()
    other.open_chart(CY)
    ehr.http.headers["Authorization"] = other.http.headers["Authorization"]

    assert ehr.get(f"Patient/{CY}").status_code == 401
    assert other.get(f"Patient/{CY}").status_code == 200


def test_a_launch_of_one_ehr_is_unknown_at_another(ehr: SmartClient) -> None:
    other = ehr.at()
    launch = ehr.launch(CY)
    other.launch(CY)

    assert other.authorize(launch)["error"] == "invalid_request"


def test_a_code_of_one_ehr_is_unknown_at_another(ehr: SmartClient) -> None:
    other = ehr.at()
    code = ehr.authorize(ehr.launch(CY))["code"]
    other.verifier = ehr.verifier

    assert other.exchange(code).json()["error"] == "invalid_grant"
    assert ehr.exchange(code).status_code == 200


def test_knobs_of_one_profile_leave_the_others_alone(ehr: SmartClient) -> None:
    odd = ehr.at(discovery={"jwks_uri": None}, token_life_s=11)

    assert "jwks_uri" not in requests.get(f"{odd.fhir}/.well-known/smart-configuration", timeout=10).json()
    assert odd.open_chart(CY)["expires_in"] == 11
    assert "jwks_uri" in requests.get(f"{ehr.fhir}/.well-known/smart-configuration", timeout=10).json()
    assert ehr.open_chart(CY)["expires_in"] != 11


def test_knobs_of_a_launch_hold_for_its_token_its_refresh_and_its_reads_only(ehr: SmartClient) -> None:
    knobs = {"token_life_s": 77, "medication": "concept", "token_response": {"extra": 1}}
    odd = ehr.open_with(CY, **knobs)
    read = ehr.get(f"MedicationRequest/{CY}-rx-1").json()
    refreshed = ehr.token(grant_type="refresh_token", refresh_token=odd["refresh_token"]).json()
    usual = ehr.open_chart(CY)

    assert (odd["expires_in"], odd["extra"]) == (77, 1)
    assert read["medicationCodeableConcept"] == {"text": "Testamine 5 MG"}
    assert (refreshed["expires_in"], refreshed["extra"]) == (77, 1)
    assert "extra" not in usual
    assert "medicationReference" in ehr.get(f"MedicationRequest/{CY}-rx-1").json()


def test_a_launch_wins_over_its_profile_and_that_over_all(ehr: SmartClient) -> None:
    ehr.control("knobs", {"token_life_s": 21})
    other = ehr.at(token_life_s=22)

    assert ehr.open_chart(CY)["expires_in"] == 21
    assert other.open_chart(CY)["expires_in"] == 22
    assert other.open_with(CY, token_life_s=23)["expires_in"] == 23


def test_knobs_can_be_turned_more_and_a_profile_taken_away(ehr: SmartClient) -> None:
    other = ehr.at(token_life_s=31)
    other.control("profiles", {"name": other.profile, "knobs": {"nonce": "drop"}}, method="PATCH")
    token = other.open_chart(CY)

    assert token["expires_in"] == 31
    assert "nonce" not in unsigned(token["id_token"])[1]
    other.control("profiles", {"name": other.profile}, method="DELETE")
    assert requests.get(f"{other.fhir}/metadata", timeout=10).status_code == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "UPPER"},
        {"name": "x", "vendor": "nobody"},
        {"name": "x", "knobs": {"nonsense": 1}},
        {"name": "x", "knobs": {"medication": "liquid"}},
        {"name": "x", "knobs": {"discovery": []}},
        {"name": "x", "knobs": {"token_answer": "sideways"}},
        {"name": "x", "knobs": {"token_answer": {"manner": "html", "when": 1}}},
        {"name": "x", "other": 1},
    ],
)
def test_a_knob_that_turns_nothing_is_refused(ehr: SmartClient, wish: dict[str, object]) -> None:
    headers = {"X-Sandbox-Control": ehr.control_token}
    answer = requests.post(f"{ehr.url}/control/profiles", json=wish, headers=headers, timeout=10)

    assert answer.status_code == 400, answer.text


def test_a_launch_is_refused_knobs_and_profiles_that_do_not_exist(ehr: SmartClient) -> None:
    for wrong in ({"knobs": {"nonsense": 1}}, {"profile": "never-made"}, {"patience": 1}):
        with pytest.raises(requests.HTTPError):
            ehr.launch(CY, **wrong)


def test_the_list_names_vendors_profiles_and_knobs(ehr: SmartClient) -> None:
    other = ehr.at()
    found = ehr.control("profiles", method="GET")

    assert other.fhir in [profile["fhir_base"] for profile in found["profiles"]]
    assert len(found["vendors"]) == 10
    assert "contained" in found["knobs"]["medication"]["choices"]


def test_a_long_launch_value_comes_back_unchanged(ehr: SmartClient) -> None:
    value = "eyJhbGciOiJSUzI1NiJ9." + "a-_." * 800
    assert ehr.launch(CY, launch=value) == value

    assert ehr.exchange(ehr.authorize(value)["code"]).json()["patient"] == CY
    assert ehr.authorize(value + "x")["error"] == "invalid_request"


def test_outside_a_chart_the_picker_of_the_profile_is_shown(ehr: SmartClient) -> None:
    other = ehr.at()
    other.launch(CY)
    fields = other.authorize_fields("", launch=None, scope="launch/patient openid patient/Patient.r")
    page = other.http.get(f"{other.auth}/authorize", params=fields, timeout=10)
    form = {name: page.text.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrfmiddlewaretoken",)}
    form["next"] = requests.Request("GET", f"{other.auth}/authorize", params=fields).prepare().path_url
    answer = other.http.post(f"{other.url}/ehr/pick", data={**form, "patient": CY}, allow_redirects=False, timeout=10)

    assert "For which patient?" in page.text
    back = other.http.get(f"{other.url}{answer.headers['Location']}", allow_redirects=False, timeout=10)
    code = back.headers["Location"].split("code=")[1].split("&")[0]
    assert other.exchange(code).json()["patient"] == CY


def test_an_ehr_may_pick_the_patient_itself(ehr: SmartClient) -> None:
    other = ehr.at(picks=CY)
    other.launch(CY)
    back = other.authorize("", launch=None, scope="launch/patient openid patient/Patient.r")

    assert other.exchange(back["code"]).json()["patient"] == CY


def test_a_reset_takes_profiles_away(ehr: SmartClient) -> None:
    other = ehr.at()
    ehr.control("reset", {"what": "ehr"})

    assert requests.get(f"{other.fhir}/metadata", timeout=10).status_code == 404
