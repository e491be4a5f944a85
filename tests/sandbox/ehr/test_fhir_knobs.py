"""FHIR answers as other servers give them, from harmless habits to attacks."""

import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sandbox.ehr.conftest import BO, CY, task
from tests.sandbox.ehr.smart_client import SmartClient, included, matches

ONE = f"MedicationRequest/{CY}-rx-1"


def stranger(ehr: SmartClient) -> str:
    return str(ehr.control("strangers", method="GET")["origin"])


def next_of(bundle: dict[str, Any]) -> str:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")


@pytest.mark.parametrize(
    ("shape", "reference"),
    [
        ("contained", "#med"),
        ("reference", "Medication/test-drug"),
        ("absolute", "{fhir}/Medication/test-drug"),
        ("foreign", "{stranger}/fhir/Medication/test-drug"),
        ("protocol_relative", "//{host}/fhir/Medication/test-drug"),
        ("missing_contained", "#nothing"),
        ("cyclic", "#a"),
        ("urn", "urn:uuid:7e1f2c4a-8a55-4c1f-9d7e-0f3d5b6a7c8d"),
        ("both", "Medication/test-drug"),
    ],
)
def test_what_is_ordered_by_reference(ehr: SmartClient, shape: str, reference: str) -> None:
    ehr.open_with(CY, medication=shape)
    read = ehr.get(ONE).json()
    found = matches(ehr.get("MedicationRequest").json())

    origin = stranger(ehr)
    expected = reference.replace("{fhir}", ehr.fhir).replace("{stranger}", origin)
    assert read["medicationReference"]["reference"] == expected.replace("{host}", urlsplit(origin).netloc)
    assert {order["medicationReference"]["reference"] for order in found} == {read["medicationReference"]["reference"]}
    assert ("medicationCodeableConcept" in read) is (shape == "both")
    if shape == "contained":
        assert read["contained"][0]["code"]["text"] == "Testamine 5 MG"


def test_what_is_ordered_in_words_or_not_at_all(ehr: SmartClient) -> None:
    ehr.open_with(CY, medication="concept")
    assert ehr.get(ONE).json()["medicationCodeableConcept"]["text"] == "Testamine 5 MG"
    ehr.open_with(CY, medication="reference_display")
    assert ehr.get(ONE).json()["medicationReference"]["display"] == "Testamine 5 MG"
    ehr.open_with(CY, medication="identifier")
    assert set(ehr.get(ONE).json()["medicationReference"]) == {"identifier"}
    ehr.open_with(CY, medication="none")
    assert not [name for name in ehr.get(ONE).json() if name.startswith("medication")]


def test_elements_and_include(ehr: SmartClient) -> None:
    query = "MedicationRequest?_elements=authoredOn&_include=MedicationRequest:medication"
    ehr.open_with(CY, elements="overtrim", include="ignore")
    bundle = ehr.get(query).json()
    assert set(matches(bundle)[0]) == {"resourceType", "id", "meta", "authoredOn"}
    assert included(bundle) == []

    ehr.open_with(CY, elements="ignore")
    bundle = ehr.get(query).json()
    assert "note" in matches(bundle)[0]
    assert included(bundle)


def test_parameters_that_must_be_there(ehr: SmartClient) -> None:
    required = {"MedicationRequest": ["patient|_id", "intent"]}
    exclusive = {"MedicationRequest": [["patient", "_id"]]}
    ehr.open_with(CY, required_params=required, exclusive_params=exclusive, error_format="text", page_size=5)

    answer = ehr.get(f"MedicationRequest?patient={CY}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("No supported search parameters provided")
    assert ehr.get(f"MedicationRequest?patient={CY}&_id=x&intent=order").status_code == 400
    first = ehr.get(f"MedicationRequest?patient={CY}&intent=order")
    assert first.status_code == 200
    assert ehr.http.get(next_of(first.json()), timeout=10).status_code == 200
    assert ehr.get("Coverage").status_code == 200


def test_parameters_that_are_not_known(ehr: SmartClient) -> None:
    known = {"MedicationRequest": ["patient", "intent"]}
    ehr.open_with(CY, search_params=known)
    assert ehr.get("MedicationRequest?status=stopped").json()["total"] == 20
    ehr.open_with(CY, search_params=known, unknown_params="refuse")
    assert ehr.get("MedicationRequest?status=stopped").status_code == 400
    assert ehr.get("MedicationRequest?intent=order&_elements=status").status_code == 200


def test_what_is_not_offered(ehr: SmartClient) -> None:
    ehr.open_with(CY, absent_types=["DeviceRequest"], post_search="refuse", batch="refuse", writes="refused")
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert ehr.get("DeviceRequest").status_code == 404
    assert ehr.http.post(f"{ehr.fhir}/Coverage/_search", data="", headers=form, timeout=10).status_code == 404
    assert ehr.send("POST", "", {"resourceType": "Bundle", "type": "batch"}).status_code == 405
    assert ehr.send("POST", "Task", task("never")).status_code == 405
    assert ehr.get(ONE).status_code == 200


@pytest.mark.parametrize(
    ("form", "kind"), [("text", "text/plain"), ("html", "text/html"), ("json", "application/json")]
)
def test_errors_in_other_forms(ehr: SmartClient, form: str, kind: str) -> None:
    ehr.open_with(CY, error_format=form)
    answer = ehr.get("MedicationRequest/none")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith(kind)
    assert "OperationOutcome" not in answer.text


def test_the_older_media_type(ehr: SmartClient) -> None:
    ehr.open_with(CY, fhir_content_type="application/json+fhir")

    assert ehr.get(ONE).headers["Content-Type"] == "application/json+fhir"
    assert ehr.get("MedicationRequest/none").headers["Content-Type"] == "application/json+fhir"


def test_outcomes_among_the_entries(ehr: SmartClient) -> None:
    ehr.open_with(CY, outcome_entry="4119")
    entries = ehr.get("MedicationRequest?_count=1").json()["entry"]

    assert [entry["search"]["mode"] for entry in entries] == ["match", "outcome"]
    assert entries[1]["resource"]["issue"][0]["details"]["coding"][0]["code"] == "4119"
    ehr.open_with(CY, outcome_entry="4101")
    assert len(ehr.get("Coverage").json()["entry"]) == 1


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("foreign", "{stranger}/fhir/R4/MedicationRequest?_page="),
        ("protocol_relative", "//{other}/fhir/R4/MedicationRequest?_page="),
        ("scheme", "https://{host}/fhir/R4/MedicationRequest?_page="),
        ("userinfo", "http://{host}@{other}/fhir/R4/MedicationRequest?_page="),
        ("internal_host", "http://fhir-internal:8080/fhir/R4/MedicationRequest?_page="),
        ("port_twice", "http://{host}:{port}/fhir/R4/MedicationRequest?_page="),
        ("outside", "http://{host}/elsewhere/fhir/R4/MedicationRequest?_page="),
    ],
)
def test_next_leads_astray(ehr: SmartClient, form: str, begins: str) -> None:
    ehr.open_with(CY, next_link=form, page_size=19)
    parts, other = urlsplit(ehr.url), urlsplit(stranger(ehr))
    words = {"host": parts.netloc, "port": parts.port, "other": other.netloc, "stranger": stranger(ehr)}

    assert next_of(ehr.get("MedicationRequest").json()).startswith(begins.format(**words))


@pytest.mark.parametrize("form", ["getpages", "relative", "root_relative"])
def test_next_in_other_writing_still_leads_on(ehr: SmartClient, form: str) -> None:
    ehr.open_with(CY, next_link=form, page_size=19)
    url = next_of(ehr.get("MedicationRequest").json())

    begins = {"getpages": f"{ehr.fhir}?_getpages=", "relative": "MedicationRequest?", "root_relative": "/fhir/R4/"}
    assert url.startswith(begins[form])
    address = {"getpages": url, "relative": f"{ehr.fhir}/{url}", "root_relative": f"{ehr.url}{url}"}[form]
    second = ehr.http.get(address, timeout=10).json()
    assert len(matches(second)) == 1
    assert next_of(second) == ""


def test_next_goes_round_in_circles(ehr: SmartClient) -> None:
    ehr.open_with(CY, next_link="self")
    bundle = ehr.get("MedicationRequest?_count=20").json()
    assert next_of(bundle) == f"{ehr.fhir}/MedicationRequest?_count=20"

    for form, fresh in (("loop", False), ("endless", True)):
        ehr.open_with(CY, next_link=form, page_size=19)
        seen = [next_of(ehr.get("MedicationRequest").json())]
        for _ in range(2):
            seen.append(next_of(ehr.http.get(seen[-1], timeout=10).json()))
        assert all(seen)
        assert (len({url.partition(":")[2] for url in seen}) == 3) is fresh


def test_strange_entries(ehr: SmartClient) -> None:
    ehr.open_with(CY, strange_entry="other_patient")
    subjects = {order["subject"]["reference"] for order in matches(ehr.get("MedicationRequest").json())}
    assert subjects == {f"Patient/{CY}", "Patient/another-patient"}
    ehr.open_with(CY, strange_entry="other_type")
    assert matches(ehr.get("MedicationRequest").json())[-1]["resourceType"] == "Observation"
    ehr.open_with(CY, strange_entry="null")
    assert ehr.get("Coverage").json()["entry"] == [None]
    ehr.open_with(CY, strange_entry="string")
    assert ehr.get("Coverage").json()["entry"] == ["entry"]


def test_totals_and_doubles(ehr: SmartClient) -> None:
    ehr.open_with(CY, duplicate_entries=True, total="wrong")
    bundle = ehr.get("MedicationRequest").json()
    assert (len(bundle["entry"]), bundle["total"]) == (40, 27)
    ehr.open_with(CY, total="absent", entry="absent")
    assert not {"total", "entry"} & set(ehr.get("MedicationRequest").json())


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ("other_id", "id", "somebody-else"),
        ("other_type", "resourceType", "Observation"),
        ("other_patient", "subject", {"reference": "Patient/another-patient"}),
    ],
)
def test_a_read_answers_something_else(ehr: SmartClient, form: str, name: str, value: Any) -> None:
    ehr.open_with(CY, read_result=form)

    assert ehr.get(ONE).json()[name] == value


def test_usual_answers_keep_their_bytes(ehr: SmartClient) -> None:
    ehr.open_chart(CY)
    text = ehr.get(ONE).text
    ehr.open_with(CY, token_life_s=60)

    assert ehr.get(ONE).text == text


def _saved(ehr: SmartClient, marker: str, **headers: str) -> Any:
    return ehr.send("POST", "Task", task(marker), **headers)


def test_writes_in_odd_manners(ehr: SmartClient) -> None:
    marker = f"odd-{time.time()}"
    ehr.open_with(CY, write_result="empty", write_location="foreign")
    answer = _saved(ehr, f"{marker}-1")
    assert (answer.status_code, answer.text) == (201, "")
    assert answer.headers["Location"].startswith(f"{stranger(ehr)}/fhir/R4/Task/")

    ehr.open_with(CY, write_result="other_id")
    answer = _saved(ehr, f"{marker}-2")
    assert (answer.status_code, answer.json()["id"]) == (200, "somebody-elses-resource")
    ehr.open_with(CY, write_location="absent")
    assert "Location" not in _saved(ehr, f"{marker}-3").headers


@pytest.mark.parametrize(("policy", "second", "kept"), [("honor", 200, 1), ("ignore", 201, 2)])
def test_conditional_create(ehr: SmartClient, policy: str, second: int, kept: int) -> None:
    marker = f"once-{policy}-{time.time()}"
    ehr.open_with(CY, if_none_exist=policy)
    answers = [_saved(ehr, marker, If_None_Exist=f"identifier=urn:test|{marker}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, second]
    assert ehr.get(f"Task?identifier=urn:test|{marker}").json()["total"] == kept


def test_conditional_create_may_be_refused(ehr: SmartClient) -> None:
    ehr.open_with(CY, if_none_exist="refuse")

    assert _saved(ehr, "x", If_None_Exist="identifier=urn:test|x").status_code == 400


@pytest.mark.parametrize("status", [409, 412])
def test_a_stale_version(ehr: SmartClient, status: int) -> None:
    ehr.open_with(CY, stale_status=status)
    made = _saved(ehr, f"stale-{time.time()}").json()

    assert ehr.send("PUT", f"Task/{made['id']}", made, If_Match='W/"7"').status_code == status


def test_backend_services_have_the_knobs_of_the_profile(ehr: SmartClient) -> None:
    odd = ehr.at(medication="concept")
    odd.open_system()

    assert "medicationCodeableConcept" in odd.get(f"MedicationRequest/{BO}-rx-1").json()
