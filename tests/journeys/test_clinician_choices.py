"""What a clinician chose stays chosen, and a page never says more, or less, than what is the case."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, rows_of, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import delivered, order_of, paid, state
from tests.journeys.visitor import Visitor

Patient = Callable[..., Cy]


def test_a_look_at_the_exact_values_keeps_the_choice_and_leaves_no_token_in_an_address(
    ada: Ada, patient: Patient
) -> None:
    cy = patient("device", "kit", email="cy@mail.example")
    page = ada.launch(cy.chart.patient)
    (kit,) = [key for key, words in rows_of(page).items() if "HbA1c" in words]
    form = page.form("/send/")
    token = form.value("csrfmiddlewaretoken")
    headers = {"Origin": ada.live.app_url, "Sec-Fetch-Site": "same-origin", "Referer": page.url}
    values = ada.visitor.post(page.url + "values/", form.with_values({"order": [kit]}), headers=headers)
    assert values.status == 200
    assert "HbA1c" in values.text
    assert "lucose" not in values.text
    assert "c...@mail.example" in values.text, "every contact that is kept is named"
    (back,) = [link for link in values.links if kit in link]
    assert token not in "".join(values.trail) + back
    again = ada.visitor.get(urljoin(values.url, back))
    assert [value for name, value in again.form("/send/").fields if name == "order"] == [kit]


def test_a_patient_whom_nobody_could_recognize_gets_no_link(ada: Ada, patient: Patient, desk: Desk) -> None:
    cy = patient("device")
    desk.put({key: value for key, value in cy.chart.resources[0].items() if key not in ("telecom", "address")})
    page = ada.launch(cy.chart.patient)
    assert "No phone, e-mail and postal code are on file" in page.text
    assert "can add one of them in the chart" in page.text
    assert re.search(r'<button form="send"[^>]* disabled', page.body)
    answer = ada.send(page, "glucose")
    assert answer.status == 422
    assert "Nothing was sent" in answer.text


def test_orders_that_cannot_be_read_at_send_are_not_called_gone(ada: Ada, patient: Patient, desk: Desk) -> None:
    cy = patient("prescription", "device")
    page = ada.launch(cy.chart.patient)
    desk.fault(partner="ehr", path="/fhir/R4/MedicationRequest.*", kind="status", status=500, times=20)
    answer = ada.send(page, "Metformin")
    assert answer.status == 502
    assert "gone from the chart" not in answer.text
    assert "Nothing was sent" in answer.text


def test_directions_that_may_tell_why_wait_until_the_clinician_lets_them_leave(
    ada: Ada, patient: Patient, desk: Desk
) -> None:
    cy = patient("prescription")
    order = next(one for one in cy.chart.resources if one["resourceType"] == "MedicationRequest")
    desk.put({**order, "dosageInstruction": [{"text": "Take 1 tablet twice a day for migraine"}]})
    page = ada.launch(cy.chart.patient)
    assert "<mark>migraine</mark>" in page.body
    assert not re.search(r'name="order"[^>]*checked', page.body), "nothing that is held is ticked by itself"
    refused = ada.send(page, "Metformin")
    assert refused.status == 422
    assert "may tell why the patient takes it" in refused.text
    assert "Nothing was sent" in refused.text
    assert desk.messages(cy.chart.phone) == []
    (key,) = rows_of(refused)
    sent = ada.send(refused, "Metformin", release=key)
    assert sent.status == 200
    assert "Nothing was sent" not in sent.text


def test_a_value_that_is_likely_a_slip_waits_for_its_prescriber_and_leaves_as_it_stands(
    ada: Ada, patient: Patient, desk: Desk
) -> None:
    cy = patient("prescription")
    order = next(one for one in cy.chart.resources if one["resourceType"] == "MedicationRequest")
    dose = [{"text": "Take it with meals", "doseAndRate": [{"doseQuantity": {"value": 5000, "unit": "mg"}}]}]
    slip = {**order, "dosageInstruction": dose}
    desk.put({**slip, "requester": {"display": "Dr. Else"}})
    page = ada.launch(cy.chart.patient)
    assert "Is a decimal point wrong?" in page.text
    assert "Only Dr. Else can let it go" in page.text
    (key,) = rows_of(page)
    assert ada.send(page, "Metformin", confirm=key).status == 422, "whoever did not sign it cannot say that it is right"
    desk.put(slip)
    page = ada.launch(cy.chart.patient)
    assert not re.search(r'name="order"[^>]*checked', page.body), "nothing that is held is ticked by itself"
    refused = ada.send(page, "Metformin")
    assert refused.status == 422
    assert "likely a slip" in refused.text
    assert desk.messages(cy.chart.phone) == []
    sent = ada.send(refused, "Metformin", confirm=key)
    assert sent.status == 200
    assert "Nothing was sent" not in sent.text


def test_the_next_fill_is_started_by_hand_as_often_as_the_prescriber_allows(
    ada: Ada, patient: Patient, desk: Desk, database: Database
) -> None:
    """The first order arrived and still counts; a device that arrived is not sent a second time."""
    cy = patient("prescription", "device")
    first = paid(ada, cy, database, "prescription", "device")
    page = ada.launch(cy.chart.patient)
    assert rows_of(page) == {}, "while it is on its way nothing can be sent again"
    delivered(desk, database, first)
    page = ada.launch(cy.chart.patient)
    (words,) = rows_of(page).values()
    assert "Metformin" in words
    assert "1 refill left" in words
    assert not re.search(r'name="order"[^>]*checked', page.body), "nobody is sent a refill by mistake"
    before = cy.address()
    sent = ada.send(page, "Metformin")
    assert "/sent/" in sent.path, (sent.status, sent.text[:400])
    newest = wait_for(lambda: cy.address() != before and cy.address(), "the link to the refill")
    cy.pay(cy.to_payment(at(cy.prove(newest), "/c/check/"), plan=False))
    second = wait_for(lambda: (found := order_of(database, cy))["id"] != first["id"] and found, "the second order")
    wait_for(lambda: state(database, second)["money"] == "authorized", "the authorization")
    delivered(desk, database, second)
    page = ada.launch(cy.chart.patient)
    assert rows_of(page) == {}, "one refill was allowed"
    assert "No refills left. The next fill needs a new prescription." in page.text


def test_the_bare_address_says_where_the_app_is_opened(live: Live) -> None:
    page = Visitor().get(live.app_url + "/")
    assert page.status == 200
    assert "opened from a chart" in page.text


def test_what_a_delegate_prepares_a_prescriber_sends_with_one_press(
    ada: Ada, patient: Patient, desk: Desk, database: Database
) -> None:
    """Where the clinic wants it: nothing goes out before, and the prescriber finds it ticked."""
    cy = patient("device", "kit")
    ada.launch(cy.chart.patient)
    user = database.one(
        "SELECT u.id, u.role FROM accounts_user u JOIN ehr_ehrsession s ON s.user_id = u.id ORDER BY s.id DESC LIMIT 1"
    )
    become = "UPDATE accounts_user SET role = %s WHERE id = %s RETURNING id"
    wants = "UPDATE accounts_organization SET approval = %s RETURNING id"
    try:
        database.rows(wants, "everything")
        database.rows(become, "clinician", user["id"])
        page = ada.launch(cy.chart.patient)
        assert "Links are sent by a prescriber here" in page.text
        prepared = ada.send(page, "glucose")
        assert "Prepared for a prescriber" in prepared.text
        assert "/l/" not in prepared.body, "there is no address to hand out yet"
        again = ada.launch(cy.chart.patient)
        assert "Waits for a prescriber" in again.text
        assert desk.messages(cy.chart.phone) == []
        database.rows(become, "prescriber", user["id"])
        page = ada.launch(cy.chart.patient)
        assert "One press sends it" in page.text
        (key,) = [key for key, words in rows_of(page).items() if "lucose" in words]
        assert key in [value for name, value in page.form("/send/").fields if name == "order"], "it is ticked"
        sent = ada.visitor.submit(page, "/send/")
        assert "/sent/" in sent.path, (sent.status, sent.text[:400])
        wait_for(cy.address, "the link")
        links = database.rows(
            "SELECT l.state, l.end_reason FROM offers_purchaselink l JOIN offers_offer o ON o.id = l.offer_id"
            " WHERE o.made_by_id = %s ORDER BY l.id DESC LIMIT 2", user["id"],
        )  # fmt: skip
        assert [row["state"] for row in links] == ["sent", "superseded"]
    finally:
        database.rows(become, user["role"], user["id"])
        database.rows(wants, "none")
