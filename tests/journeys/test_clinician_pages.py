"""What the clinician reads when something is odd: the chart does not answer, the patient says no, a link is taken back."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.journeys.cast import Ada, Cy, Desk, at
from tests.journeys.visitor import Page

Patient = Callable[..., Cy]
# 500, since 503s would make the app leave the EHR alone for a while, and the next test with it.
DOWN = {"partner": "ehr", "path": "/fhir/R4/Patient.*", "kind": "status", "status": 500, "times": 60}


def links_page(ada: Ada, page: Page) -> Page:
    key = urlsplit(page.url).path.split("/c/")[1].split("/")[0]
    return ada.visitor.get(f"{ada.live.app_url}/ehr/c/{key}/links/")


def test_a_chart_that_does_not_answer_at_send_is_still_named_and_nothing_is_sent(
    ada: Ada, patient: Patient, desk: Desk
) -> None:
    cy = patient("device")
    page = ada.launch(cy.chart.patient)
    desk.fault(**DOWN)
    answer = ada.send(page, "glucose")
    assert answer.status == 502
    assert cy.chart.family in answer.text
    assert "14-Mar-1968" in answer.text
    assert "Not confirmed" in answer.text
    assert "Nothing was sent" in answer.text
    again = ada.visitor.get(page.url)
    assert again.status == 502
    assert cy.chart.family not in again.text, "nothing of the chart is kept between two requests"
    assert "Not confirmed" in again.text
    assert 'name="order"' not in again.body


def test_a_made_link_can_be_taken_back_and_not_sent_again_while_the_chart_does_not_answer(
    ada: Ada, patient: Patient, desk: Desk
) -> None:
    cy = patient("device")
    page = ada.send(ada.launch(cy.chart.patient), "glucose")
    desk.fault(**DOWN)
    answer = links_page(ada, page)
    assert "Not confirmed" in answer.text
    assert "Send again" not in answer.text
    assert "Take back" in answer.text


def test_nothing_chosen_stays_nothing_chosen(ada: Ada, patient: Patient) -> None:
    cy = patient("device", "kit")
    page = ada.launch(cy.chart.patient)
    answer = ada.visitor.submit(page, "/send/", values={"order": [], "language": "es", "send_to": ""})
    assert answer.status == 422
    assert "Choose at least one order" in answer.text
    assert "0 of 2 orders chosen" in answer.text
    assert not re.search(r'name="order"[^>]* checked', answer.body)
    assert '<option value="es" selected>' in answer.body
    assert '<option value="" selected>Print QR only' in answer.body
    form = page.form("/send/")
    headers = {"Origin": ada.live.app_url, "Sec-Fetch-Site": "same-origin", "Referer": page.url}
    exact = ada.visitor.post(page.url + "values/", form.with_values({"order": []}), headers=headers)
    assert "Choose at least one order that is ready" in exact.text
    back = re.search(r'href="([^"]+)">Back to orders', exact.body)
    assert back is not None
    assert "0 of 2 orders chosen" in ada.visitor.get(ada.live.app_url + back[1]).text


def test_what_the_patient_ordered_meanwhile_is_said_so(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    before = ada.launch(cy.chart.patient)
    ada.send(before, "glucose")
    cy.pay(cy.to_payment(at(cy.prove(), "/c/check/"), plan=False))
    answer = ada.send(before, "glucose")
    assert answer.status == 409
    assert "The patient has ordered this already" in answer.text
    assert "Nothing was sent" in answer.text
    assert "not active any more" not in answer.text


def test_a_page_that_cannot_be_confirmed_says_whose_it_is_as_far_as_it_knows(
    ada: Ada, patient: Patient, desk: Desk
) -> None:
    cy = patient("device")
    page = ada.launch(cy.chart.patient)
    desk.fault(**DOWN)
    text = ada.visitor.get(page.url).text
    assert "Not confirmed: the patient whose chart you opened in" in text
    assert "names come from the chart only" in text
    desk.no_faults()
    desk.call("POST", "/control/knobs", {"strange_entry": "other_patient"})
    answer = ada.visitor.get(page.url)
    desk.call("DELETE", "/control/knobs")
    assert answer.status == 409
    assert "answered with a record of another patient" in answer.text
    assert "does not answer" not in answer.text
    assert "open the app again" in answer.text


def test_undo_says_that_the_link_is_dead_and_the_message_is_not(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    page = ada.send(ada.launch(cy.chart.patient), "glucose")
    address = cy.address()
    undone = ada.visitor.submit(page, "/revoke/")
    assert "Undone: the link no longer works" in undone.text
    assert "cannot be called back" in undone.text
    assert cy.open(address).status == 410


def test_taking_back_asks_for_a_reason_and_has_none_chosen(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    page = links_page(ada, ada.send(ada.launch(cy.chart.patient), "glucose"))
    assert page.form("/revoke/").value("reason") == ""
    refused = ada.visitor.submit(page, "/revoke/")
    assert refused.status == 422
    assert "Choose a reason" in refused.text
    taken = ada.visitor.submit(refused, "/revoke/", values={"reason": "wrong_items"})
    assert "The link was taken back" in taken.text
    assert "Taken back" in taken.text


def test_words_of_the_database_are_on_no_page(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    ada.send(ada.launch(cy.chart.patient), "glucose")
    ada.send(ada.launch(cy.chart.patient), "glucose")
    page = links_page(ada, ada.launch(cy.chart.patient))
    assert "Replaced by a newer link" in page.text
    assert not {"Superseded", "Revoked", "Verified"} & set(page.text.split())


def test_a_no_of_the_patient_stands_in_the_row(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    ada.send(ada.launch(cy.chart.patient), "glucose")
    page = at(cy.prove(), "/c/check/")
    cy.visitor.submit(page, "/c/no/")
    row = ada.launch(cy.chart.patient)
    assert "Patient said no thanks" in row.text
    assert "change their mind until" in row.text


def test_the_address_of_send_leads_back_to_the_orders(ada: Ada, patient: Patient) -> None:
    page = ada.launch(patient("device").chart.patient)
    answer = ada.visitor.get(page.url + "send/")
    assert answer.status == 200
    assert answer.url == page.url


def test_each_cause_has_a_badge_and_says_who_can_change_it(ada: Ada) -> None:
    page = ada.launch("hector-rivera")
    assert "The codes of this order name different products" in page.text
    assert "Correct the order in the chart" in page.text
    assert {"Needs the chart", "On hold"} <= {badge for badge in ("Needs the chart", "On hold") if badge in page.text}
    assert "Not sold by link" not in page.text.replace("Controlled medicine. Not sold by link.", "")
    assert "Only a plan or proposal" in ada.launch("joanna-whitfield").text
