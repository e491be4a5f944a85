"""The FHIR server of the sandbox: what a token reaches, and how searches and writes behave."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.sandbox.ehr.conftest import BO, CY, patient, prescription, task
from tests.sandbox.ehr.smart_client import SmartClient, included, matches


@pytest.fixture
def chart(ehr: SmartClient) -> SmartClient:
    """A client that was opened in Cy's chart."""
    ehr.open_chart(CY)
    return ehr


def test_without_a_token_nothing_is_read(ehr: SmartClient) -> None:
    answer = ehr.get(f"Patient/{CY}")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_read_has_version_and_type(chart: SmartClient) -> None:
    answer = chart.get(f"Patient/{CY}")

    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert answer.headers["ETag"] == f'W/"{answer.json()["meta"]["versionId"]}"'
    assert chart.get(f"Patient/{CY}x").status_code in (403, 404)


def test_another_patient_is_out_of_reach(chart: SmartClient) -> None:
    assert chart.get(f"Patient/{BO}").status_code == 403
    assert chart.get(f"MedicationRequest/{BO}-rx-1").status_code == 403
    assert matches(chart.get(f"MedicationRequest?patient={BO}").json()) == []
    found = matches(chart.get("MedicationRequest").json())
    assert {row["subject"]["reference"] for row in found} == {f"Patient/{CY}"}


def test_scopes_are_enforced_by_type_and_letter(ehr: SmartClient) -> None:
    ehr.open_chart(CY, scope="launch fhirUser openid patient/Patient.r")

    assert ehr.get(f"Patient/{CY}").status_code == 200
    assert ehr.get(f"Patient?_id={CY}").status_code == 403
    assert ehr.get(f"MedicationRequest/{CY}-rx-1").status_code == 403
    assert ehr.send("POST", "Task", task("scopes")).status_code == 403
    assert ehr.get("Practitioner/ada").status_code == 200
    assert ehr.get("Practitioner/lund").status_code == 403


def test_an_expired_token_is_refused(ehr: SmartClient) -> None:
    ehr.control("knobs", {"token_life_s": 1})
    ehr.open_chart(CY)
    time.sleep(1.1)

    assert ehr.get(f"Patient/{CY}").status_code == 401


def test_a_deleted_resource_is_gone(chart: SmartClient) -> None:
    chart.control("fhir", {"resources": [prescription(90)]})
    chart.control("fhir", {"delete": [f"MedicationRequest/{CY}-rx-90"]})

    assert chart.get(f"MedicationRequest/{CY}-rx-90").status_code == 410


def test_elements_are_cut_and_tagged_and_the_mandatory_ones_stay(chart: SmartClient) -> None:
    bundle = chart.get(f"MedicationRequest?patient={CY}&_id={CY}-rx-1&_elements=authoredOn").json()
    (found,) = matches(bundle)

    assert set(found) == {
        "resourceType",
        "id",
        "meta",
        "status",
        "intent",
        "medicationReference",
        "subject",
        "authoredOn",
    }
    assert found["meta"]["tag"][0]["code"] == "SUBSETTED"
    chart.control("knobs", {"elements": "ignore"})
    (whole,) = matches(chart.get(f"MedicationRequest?patient={CY}&_id={CY}-rx-1&_elements=authoredOn").json())
    assert "note" in whole


def test_include_brings_each_target_once(chart: SmartClient) -> None:
    query = f"MedicationRequest?patient={CY}&_include=MedicationRequest:medication&_include=MedicationRequest:requester"

    bundle = chart.get(query).json()

    assert bundle["total"] == 20
    assert {row["resourceType"] for row in included(bundle)} == {"Medication", "Practitioner"}
    assert len(included(bundle)) == 2
    chart.control("knobs", {"include": "ignore"})
    assert included(chart.get(query).json()) == []


def test_status_intent_and_post_search(chart: SmartClient) -> None:
    chart.control("fhir", {"resources": [prescription(91, status="draft")]})
    form = {"patient": CY, "status": "draft,stopped", "intent": "order"}

    answer = chart.http.post(f"{chart.fhir}/MedicationRequest/_search", data=form, timeout=10)

    assert [row["id"] for row in matches(answer.json())] == [f"{CY}-rx-91"]
    chart.control("fhir", {"delete": [f"MedicationRequest/{CY}-rx-91"]})


def test_last_updated_finds_what_is_newer(chart: SmartClient) -> None:
    first = chart.get(f"MedicationRequest/{CY}-rx-1").json()["meta"]["lastUpdated"]
    time.sleep(0.01)
    chart.control("fhir", {"resources": [prescription(2)]})
    second = chart.get(f"MedicationRequest/{CY}-rx-2").json()["meta"]["lastUpdated"]

    newer = {row["id"] for row in matches(chart.get(f"MedicationRequest?_lastUpdated=ge{second}").json())}
    older = {row["id"] for row in matches(chart.get(f"MedicationRequest?_lastUpdated=le{first}").json())}

    assert f"{CY}-rx-2" in newer
    assert f"{CY}-rx-1" not in newer
    assert f"{CY}-rx-1" in older
    assert matches(chart.get(f"MedicationRequest?_lastUpdated=gt{second}").json()) == []
    newest = matches(chart.get("MedicationRequest?_sort=-_lastUpdated&_count=1").json())
    assert newest[0]["id"] == f"{CY}-rx-2"


def test_pages_are_linked_and_complete(chart: SmartClient) -> None:
    url, seen = f"{chart.fhir}/MedicationRequest?patient={CY}&_count=7", []
    while url:
        bundle = chart.http.get(url, timeout=10).json()
        seen.append([row["id"] for row in matches(bundle)])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")

    assert [len(page) for page in seen] == [7, 7, 6]
    assert len({fhir_id for page in seen for fhir_id in page}) == 20
    chart.control("knobs", {"page_size": 19})
    assert len(matches(chart.get(f"MedicationRequest?patient={CY}").json())) == 19


def test_a_strict_search_refuses_unknown_parameters(chart: SmartClient) -> None:
    strict = {"Prefer": "handling=strict"}

    assert chart.get("MedicationRequest?nonsense=1").status_code == 200
    assert chart.get("MedicationRequest?nonsense=1", headers=strict).status_code == 400


def test_a_batch_answers_each_entry(chart: SmartClient) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": "GET", "url": f"Patient/{CY}"}},
            {"request": {"method": "GET", "url": f"MedicationRequest?patient={CY}&_count=3"}},
            {"request": {"method": "GET", "url": f"Patient/{BO}"}},
        ],
    }

    entries = chart.send("POST", "", bundle).json()["entry"]

    assert [entry["response"]["status"] for entry in entries] == ["200", "200", "403"]
    assert entries[1]["resource"]["total"] == 20
    assert entries[2]["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_a_transaction_is_all_or_nothing(chart: SmartClient) -> None:
    def entry(resource: dict[str, object]) -> dict[str, object]:
        return {"resource": resource, "request": {"method": "POST", "url": "Task"}}

    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry(task("tx")), entry(task("tx2", BO))]}

    assert chart.send("POST", "", bundle).status_code == 403
    assert matches(chart.get("Task?identifier=urn:test|tx").json()) == []


def test_create_with_if_none_exist_creates_once_also_at_the_same_time(chart: SmartClient) -> None:
    marker = f"once-{time.time()}"

    def create(_: int) -> requests.Response:
        return chart.send("POST", "Task", task(marker), If_None_Exist=f"identifier=urn:test|{marker}")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(create, range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    chart.send("POST", "Task", task(marker))
    assert create(0).status_code == 412


def test_update_with_if_match_refuses_a_stale_version(chart: SmartClient) -> None:
    made = chart.send("POST", "Task", task("versions"), Prefer="return=minimal")
    location, tag = made.headers["Location"], made.headers["ETag"]
    fhir_id = location.split("/Task/")[1].split("/")[0]
    changed = {**task("versions"), "id": fhir_id, "status": "completed"}

    first = chart.send("PUT", f"Task/{fhir_id}", changed, If_Match=tag)
    stale = chart.send("PUT", f"Task/{fhir_id}", changed, If_Match=tag)

    assert (made.status_code, made.text) == (201, "")
    assert (first.status_code, first.json()["meta"]["versionId"]) == (200, "2")
    assert stale.status_code == 412


def test_what_is_not_fhir_is_refused_by_its_name(chart: SmartClient) -> None:
    headers = {"Content-Type": "application/fhir+json"}

    assert chart.http.post(f"{chart.fhir}/Task", data=b"{", headers=headers, timeout=10).status_code == 400
    assert chart.http.post(f"{chart.fhir}/Task", json=task("form"), timeout=10).status_code == 201
    assert chart.send("POST", "Task", patient("x", "X")).status_code == 400
    assert chart.send("POST", "Task", {"resourceType": "Task"}).status_code == 422
    assert chart.send("POST", "Task", task("other", BO)).status_code == 403
    assert chart.get("Observation?patient=x").status_code == 404


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\u202e", "中文"])
def test_odd_characters_pass_or_are_refused_but_break_nothing(chart: SmartClient, text: str) -> None:
    body = json.dumps({**task("odd"), "description": "MARK", "status": "MARK"}).replace("MARK", text)
    body = body.replace('"value": "odd"', f'"value": "{text}"')
    headers = {"Content-Type": "application/fhir+json"}

    answer = chart.http.post(f"{chart.fhir}/Task", data=body.encode(), headers=headers, timeout=10)

    assert answer.status_code in (201, 400)
    if answer.status_code == 201:
        assert chart.get(f"Task/{answer.json()['id']}").status_code == 200


def test_an_odd_address_finds_nothing(chart: SmartClient) -> None:
    assert chart.get("Patient/%00").status_code == 404
    assert chart.get("MedicationRequest?_id=%00&status=%00").json()["total"] == 0
    assert chart.get("MedicationRequest?_lastUpdated=yesterday").status_code == 400
    assert chart.get("MedicationRequest?_page=made-up").status_code == 400


def test_numbers_keep_their_characters(chart: SmartClient) -> None:
    marked = prescription(92, id="dose", dispenseRequest={"quantity": {"value": "MARK"}})
    body = json.dumps({"resources": [marked]}).replace('"MARK"', "1.10")
    headers = {"X-Sandbox-Control": chart.control_token}
    requests.post(f"{chart.url}/control/fhir", data=body, headers=headers, timeout=10)

    assert '"value":1.10' in chart.get("MedicationRequest/dose").text
    assert '"value":1.10' in chart.get("MedicationRequest?_id=dose&_elements=dispenseRequest").text
    chart.control("fhir", {"delete": ["MedicationRequest/dose"]})


def test_twenty_prescriptions_are_found_over_one_connection(chart: SmartClient) -> None:
    query = f"MedicationRequest?patient={CY}&_include=MedicationRequest:medication&_elements=status,intent,authoredOn"
    for _ in range(12):
        chart.get(query)

    entries = chart.control("journal?partner=ehr&path=MedicationRequest", method="GET")["entries"][-10:]
    assert len({entry["connection"] for entry in entries}) == 1


def test_latency_shows_what_runs_in_parallel(chart: SmartClient) -> None:
    chart.control("knobs", {"latency_ms": 800})  # longer than a busy machine takes to start three threads
    started = time.perf_counter()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: chart.get(f"MedicationRequest/{CY}-rx-{number}"), (1, 2, 3)))

    assert time.perf_counter() - started >= 0.8
    entries = chart.control("journal?partner=ehr", method="GET")["entries"][-3:]
    first, second, _ = sorted(entries, key=lambda entry: float(entry["started"]))
    assert second["started"] < first["ended"], "the journal shows that two were under way at once"
