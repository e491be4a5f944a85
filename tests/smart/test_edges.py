"""Where the specification leaves a choice, or an EHR departs from it without harm: what this app does then."""

from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.outbox.outcomes import Done, Refused
from ehrcommerce.vault import walls
from ehrcommerce.wire.client import Partner
from ehrcommerce.wire.fhir import Search
from tests.smart import tls_front
from tests.smart.conftest import PATIENT, Ehr, Make, prescription, words
from tests.smart.test_hostile_writeback import Chart, reports

__all__ = ["reports"]

pytestmark = pytest.mark.django_db


# --------------------------------------------------------------------------------------------------------- discovery
@pytest.mark.smart("D5")
def test_an_ehr_that_launches_us_is_believed_though_it_does_not_list_launches(make_ehr: Make) -> None:
    """It pressed the button: what it does says more than its list. Test connection tells the administrator."""
    can = ["launch-standalone", "client-confidential-symmetric", "permission-v2"]
    ehr = make_ehr(knobs={"smart_configuration": {"capabilities": can}})
    ehr.open()
    assert ehr.session() is not None


@pytest.mark.smart("I2")
@pytest.mark.parametrize("gone", [["jwks_uri"], ["issuer"], ["issuer", "jwks_uri"]])
def test_keys_and_issuer_may_stand_in_the_openid_document_alone(make_ehr: Make, gone: list[str]) -> None:
    ehr = make_ehr(knobs={"smart_configuration": dict.fromkeys(gone)})
    mark = ehr.desk.mark()
    ehr.open()
    assert ehr.asked(mark, "openid-configuration")
    with walls.organization(ehr.clinic.pk):
        ehr.connection.refresh_from_db()
    assert ehr.connection.oidc_issuer == ehr.base, "the one that signed is pinned"


@pytest.mark.smart("D3")
def test_without_a_smart_configuration_the_page_says_what_is_missing(make_ehr: Make) -> None:
    ehr = make_ehr(knobs={"discovery_answer": "404"})
    mark = ehr.desk.mark()
    answer = ehr.launch()
    assert answer.status_code == 502
    assert "publishes no SMART configuration" in words(answer)
    assert ehr.asked(mark, "openid-configuration") == []


# -------------------------------------------------------------------------------------------------------- the banner
@pytest.mark.smart("X3", "H72")
@pytest.mark.parametrize(("said", "slim"), [(False, True), (True, False)])
def test_where_the_ehr_shows_a_banner_ours_is_one_slim_line_and_stays(ehr: Ehr, said: bool, slim: bool) -> None:
    page = ehr.page(knobs={"token_response": {"need_patient_banner": said}})
    assert ("ec-banner--slim" in page) is slim
    assert "LAUNCHWELL" in page


# ------------------------------------------------------------------------------------------------- the EHR ends a launch
@pytest.mark.smart("R4", "F3", "H70")
def test_a_refresh_that_is_refused_in_the_middle_of_a_page_ends_it_in_a_clear_one(ehr: Ehr) -> None:
    """The token was taken back, and so was the refresh token: no half of a chart, no talk of permissions."""
    ehr.desk.call("POST", "fhir", {"resources": [prescription(1)]})
    place = ehr.open()
    ehr.turn(refresh_answer={"manner": "400"}, fhir_answer={"manner": "401", "types": ["MedicationRequest"]})
    answer = ehr.client.get(place)
    assert (answer.status_code, "This launch is over" in words(answer)) == (403, True), words(answer)
    assert "Open the app again from the patient" in words(answer)
    ehr.turn(refresh_answer="", fhir_answer="")
    assert "This launch is over" in words(ehr.client.get(place))


@pytest.mark.smart("R4", "F3", "H70")
def test_so_does_one_that_is_refused_while_the_references_are_read(make_ehr: Make) -> None:
    order = prescription(70)
    del order["medicationCodeableConcept"]
    order["medicationReference"] = {"reference": "Medication/edge-70"}
    medicine = {"resourceType": "Medication", "id": "edge-70", "code": {"text": "metformin 70"}}
    ehr = make_ehr(knobs={"include": "ignore", "refresh_answer": {"manner": "400"}}, honors_include=False)
    ehr.desk.call("POST", "fhir", {"resources": [order, medicine]})
    place = ehr.open()
    ehr.turn(fhir_answer={"manner": "401", "types": ["Medication"]})
    answer = ehr.client.get(place)
    assert (answer.status_code, "This launch is over" in words(answer)) == (403, True), words(answer)


# ------------------------------------------------------------------------------------------------- batches and pages
@pytest.mark.smart("H70")
@pytest.mark.parametrize("busy", ["every_second_busy", "busy"])
def test_entries_of_a_batch_that_came_too_early_are_read_by_themselves(make_ehr: Make, busy: str) -> None:
    """429 inside a batch that is answered with 200: no medicine is lost, and none asked for twice that was there."""
    ehr = make_ehr(knobs={"batch_entries": busy}, honors_batch=True, honors_include=False)
    orders, medicines = [], []
    for number in range(60, 64):
        order = prescription(number)
        del order["medicationCodeableConcept"]
        orders.append({**order, "medicationReference": {"reference": f"Medication/edge-{number}"}})
        medicines.append(
            {"resourceType": "Medication", "id": f"edge-{number}", "code": {"text": f"edgeamine {number}"}}
        )
    ehr.desk.call("POST", "fhir", {"resources": [*orders, *medicines]})
    place, mark = ehr.open(), ehr.desk.mark()
    page = ehr.page(place)
    assert all(f"edgeamine {number}" in page for number in range(60, 64))
    again = ehr.asked(mark, "/Medication/")
    assert len(again) == len(set(again)) >= 2
    assert len(again) < 5 or busy == "busy"


@pytest.mark.smart("F2", "H62")
@pytest.mark.parametrize("same_port", [True, False])
def test_a_next_page_over_http_never_gets_the_token(make_ehr: Make, tmp_path: Path, same_port: bool) -> None:
    """Behind TLS: the same server by its own plain name is asked over TLS, any other plain address not at all."""
    ehr = make_ehr()
    ehr.desk.call("POST", "fhir", {"resources": [prescription(number) for number in range(40, 46)]})
    ehr.open()
    session = ehr.session()
    assert session is not None
    with tls_front.running(ehr.desk.url, tmp_path) as front:
        plain = f"http://localhost:{front.port}" if same_port else ehr.desk.url
        ehr.turn(page_size=2, next_origin=plain)
        base = ehr.base.replace(ehr.desk.url, front.origin)
        mark = ehr.desk.mark()
        search = Search(
            Partner("ehr", front.origin, ca_file=front.ca_file), base, "MedicationRequest", [("patient", PATIENT)]
        )
        search.run(str(session.access_token))
        assert search.complete is same_port
        assert (len(search.found) >= 6) is same_port
        assert front.plain == []
        assert (len(ehr.asked(mark, "/MedicationRequest")) > 1) is same_port


# --------------------------------------------------------------------------------------------------------- write-back
def look(chart: Chart, interactions: list[str] | None) -> None:
    """What the last test of the connection saw of Task."""
    types = {} if interactions is None else {"Task": {"interactions": interactions}}
    chart.ehr.row(capability_snapshot={"types": types})


@pytest.mark.smart("H80")
@pytest.mark.parametrize("listed", [None, [], ["read", "create"], ["update"]])
def test_what_the_statement_does_not_list_is_not_written(reports: Any, listed: list[str] | None) -> None:
    chart = reports()
    look(chart, listed)
    mark = chart.ehr.desk.mark()
    assert chart.tell() == Refused("not_listed")
    assert chart.written(mark) == []
    look(chart, ["create", "update"])
    assert isinstance(chart.tell(), Done)


@pytest.mark.smart("H80", "T6")
@pytest.mark.parametrize("scope", ["system/Task.rs", "system/Patient.r", "system/Task.crs", "patient/Task.cruds"])
def test_what_was_not_granted_is_not_written(reports: Any, scope: str) -> None:
    """A token came, and with less than was asked for: nothing is tried that it cannot do."""
    chart = reports(token_response={"scope": scope})
    mark = chart.ehr.desk.mark()
    assert chart.tell() == Refused("not_granted")
    assert not [path for path in chart.ehr.asked(mark) if "Task" in path]
