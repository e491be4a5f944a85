"""Everything that goes wrong between the chart and the parcel: each time a page or a state says what happened and
whether money moved, nothing is lost, nothing is doubled. [REL-F4, F5, F9, F12, F16, F19, F21, F28, F37, F39]"""

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from ehrcommerce.workbench.live import Live
from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.database import Database
from tests.journeys.steps import at_partner, delivered, order_of, paid, references, sent, state

Patient = Callable[..., Cy]


# ---------------------------------------------------------------------------------------------- before the link
def test_an_order_that_changed_between_list_and_send_is_not_sent(
    ada: Ada, patient: Patient, desk: Desk, database: Database
) -> None:
    cy = patient("prescription")
    page = ada.launch(cy.chart.patient)
    changed = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "MedicationRequest")
    changed["dosageInstruction"] = [{"text": "Take 2 tablets twice a day"}]
    desk.put(changed)
    before = database.one("SELECT count(*) AS n FROM offers_offer")
    page = ada.send(page, "Metformin")
    assert page.status == 409
    assert "Nothing was sent" in page.text
    assert database.one("SELECT count(*) AS n FROM offers_offer") == before


def test_an_order_that_vanished_between_list_and_send_is_not_sent(ada: Ada, patient: Patient, desk: Desk) -> None:
    cy = patient("device", "kit")
    page = ada.launch(cy.chart.patient)
    desk.call("POST", "/control/fhir", {"delete": [cy.chart.orders["kit"]]})
    page = ada.send(page, "HbA1c")
    assert page.status == 409
    assert "gone from the chart" in page.text


def test_an_ehr_that_is_down_at_send_loses_nothing_and_sends_nothing(ada: Ada, patient: Patient, desk: Desk) -> None:
    cy = patient("device")
    page = ada.launch(cy.chart.patient)
    desk.fault(partner="ehr", path="/fhir/.*", kind="status", status=500, times=20)
    answer = ada.send(page, "glucose")
    assert answer.status == 502
    assert "Nothing was sent" in answer.text
    desk.no_faults()
    assert "/sent/" in ada.send(page, "glucose").path


@pytest.mark.parametrize(
    "fault", [{"kind": "html"}, {"kind": "truncate"}, {"kind": "reset"}, {"kind": "status", "status": 503}]
)
def test_an_ehr_that_answers_nonsense_gets_a_page_and_no_crash(
    ada: Ada, patient: Patient, desk: Desk, fault: dict[str, Any]
) -> None:
    cy = patient("device")
    desk.fault(partner="ehr", path="/fhir/R4/Patient.*", times=9, **fault)
    page = ada.launch(cy.chart.patient)
    assert page.status == 502
    assert "did not answer" in page.text


# ------------------------------------------------------------------------------------------------------ the link
def test_a_link_that_nobody_made_and_one_that_was_guessed_get_the_same_bytes(live: Live, patient: Patient) -> None:
    cy = patient()
    pages = [cy.open(f"{live.app_url}/l/{token}/") for token in ("A" * 26, "7K3M9QXTB2VW4HND8RZC5P2345", "x")]
    assert {page.status for page in pages} == {404}
    assert len({page.body for page in pages}) == 1


def test_a_revoked_link_says_so_and_names_nobody(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    page = ada.launch(cy.chart.patient)
    page = ada.send(page, "glucose")
    address = cy.address()
    ada.visitor.submit(page, "/revoke/")
    page = cy.open(address)
    assert cy.chart.family not in page.body
    assert "lucose" not in page.body
    assert "not charged" in page.text.lower()


def test_an_expired_link_says_so_and_offers_the_next_step(ada: Ada, patient: Patient, database: Database) -> None:
    cy = patient("device")
    address = sent(ada, cy, "device")
    database.rows(
        "UPDATE offers_purchaselink SET expires_at = now() - interval '1 minute' WHERE id = (SELECT max(id) FROM offers_purchaselink) RETURNING id"
    )
    page = cy.open(address)
    assert "not charged" in page.text.lower()
    assert "1-800-555-0142" in page.text


def test_a_newer_link_replaces_the_older_one(ada: Ada, patient: Patient) -> None:
    cy = patient("device")
    first = sent(ada, cy, "device")
    ada.send(ada.launch(cy.chart.patient), "glucose")
    second = wait_for(lambda: cy.address() != first and cy.address(), "the second address")
    assert "newer" in cy.open(first).text.lower() or "newest" in cy.open(first).text.lower()
    at(cy.prove(second), "/c/check/")


def test_five_wrong_birth_dates_end_the_link_for_good(ada: Ada, patient: Patient, database: Database) -> None:
    cy = patient("device")
    address = sent(ada, cy, "device")
    for tries_left in (4, 3, 2, 1):
        page = cy.say_who(cy.open(address), born="1970-01-01")
        assert str(tries_left) in page.text
    cy.say_who(cy.open(address), born="1970-01-01")
    page = cy.open(address)
    assert not any("/l/" in form.action for form in page.forms)
    link = database.rows("SELECT state, tries_left FROM offers_purchaselink ORDER BY id DESC LIMIT 1")[0]
    assert link == {"state": "locked", "tries_left": 0}
    assert "Locked" in ada.launch(cy.chart.patient).text


def test_an_order_cannot_be_reached_without_the_code(ada: Ada, patient: Patient, live: Live) -> None:
    cy = patient("device")
    page = at(cy.say_who(cy.open(sent(ada, cy, "device"))), "/c/code/")
    for path in ("/c/check/", "/c/price/", "/c/where/", "/c/pay/", "/c/follow/", "/c/receipt/"):
        assert "lucose" not in cy.visitor.get(f"{live.app_url}{path}").body
    assert "lucose" not in page.body


def test_a_link_that_was_already_paid_leads_to_the_order_and_charges_nothing(
    ada: Ada, patient: Patient, database: Database
) -> None:
    cy = patient("device")
    address = sent(ada, cy, "device")
    cy.pay(cy.to_payment(at(cy.prove(address), "/c/check/"), plan=False))
    order = wait_for(lambda: order_of(database, cy), "the order")
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    other = Cy(cy.live, cy.desk, born=cy.born, phone=cy.phone)
    page = other.prove(address)
    assert page.path == "/c/follow/", (page.path, page.text[:300])
    assert database.one("SELECT count(*) AS n FROM orders_payment WHERE order_id = %s", order["id"]) == {"n": 1}


# -------------------------------------------------------------------------------------------------------- payment
def test_a_refused_card_and_a_closed_window_charge_nothing_and_can_be_tried_again(
    ada: Ada, patient: Patient, database: Database
) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    page = cy.pay(page, "refuse")
    page = cy.pay(page, "cancel")
    order = order_of(database, cy)
    assert state(database, order) == {"state": "quoted", "money": "none"}
    assert page.path == "/c/pay/", page.path
    cy.pay(cy.visitor.submit(page, "/c/pay/"))
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")


def test_ten_presses_of_pay_make_one_order_and_one_payment(
    ada: Ada, patient: Patient, database: Database, desk: Desk
) -> None:
    import threading

    cy = patient("device")
    page = cy.to_pay(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    mark = desk.mark()
    threads = [threading.Thread(target=lambda: cy.visitor.submit(page, "/c/pay/")) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = order_of(database, cy)
    assert database.one("SELECT count(*) AS n FROM orders_order WHERE offer_id = %s", order["offer_id"]) == {"n": 1}
    opened = [
        entry
        for entry in desk.journal(since=mark)
        if entry["method"] == "POST" and entry["path"].endswith("/pay/sessions")
    ]
    assert len({json.loads(entry["body"])["reference"] for entry in opened}) == 1


def test_a_forged_payment_callback_changes_nothing(
    ada: Ada, patient: Patient, database: Database, live: Live, desk: Desk
) -> None:
    cy = patient("device")
    cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    order = order_of(database, cy)
    payment = database.one(
        "SELECT p.*, s.public_id AS supplier FROM orders_payment p JOIN suppliers_supplier s ON s.id = p.supplier_id WHERE order_id = %s",
        order["id"],
    )
    body = json.dumps(
        {
            "id": "evt_forged",
            "type": "payment.authorized",
            "reference": str(payment["public_id"]),
            "status": "authorized",
        }
    ).encode()
    url = f"{live.app_url}/hooks/payment/{payment['supplier']}/"
    assert callback(url, body, secret="wrong") == 401
    # Even a callback that is signed is only a reason to ask: the processor says that nothing was paid.
    assert callback(url, body, secret=live.site.secrets["SANDBOX_CALLBACK_SECRET"]) == 200
    time.sleep(1.5)
    assert state(database, order) == {"state": "quoted", "money": "none"}


def test_a_callback_that_comes_twice_and_one_of_yesterday_do_nothing_more(
    ada: Ada, patient: Patient, database: Database, live: Live, desk: Desk
) -> None:
    cy = patient("device")
    order = paid(ada, cy, database, "device")
    payment = database.one(
        "SELECT p.public_id, s.public_id AS supplier FROM orders_payment p JOIN suppliers_supplier s ON s.id = p.supplier_id WHERE order_id = %s",
        order["id"],
    )
    body = json.dumps(
        {
            "id": "evt_twice",
            "type": "payment.authorized",
            "reference": str(payment["public_id"]),
            "status": "authorized",
        }
    ).encode()
    url = f"{live.app_url}/hooks/payment/{payment['supplier']}/"
    secret = live.site.secrets["SANDBOX_CALLBACK_SECRET"]
    before = database.rows("SELECT * FROM orders_orderevent WHERE order_id = %s", order["id"])
    assert [callback(url, body, secret=secret) for _ in range(3)] == [200, 200, 200]
    assert callback(url, body, secret=secret, age_s=86_400) == 401
    time.sleep(1)
    money = [
        row
        for row in database.rows("SELECT * FROM orders_orderevent WHERE order_id = %s", order["id"])
        if row not in before and "authorized" in row["code"]
    ]
    assert money == []


def callback(url: str, body: bytes, *, secret: str, age_s: int = 0) -> int:
    """A callback as the sandbox's partners sign them; the status that we answered."""
    at_s, event = str(int(time.time()) - age_s), json.loads(body)["id"]
    mac = hmac.new(secret.encode(), f"{event}.{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Event-Id": event, "X-Timestamp": at_s, "X-Signature": f"v1={mac}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        return problem.code


# ------------------------------------------------------------------------------------------------------ suppliers
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "status", "status": 500, "times": 2}, id="500 twice"),
        pytest.param({"kind": "status", "status": 500, "times": 1, "after_accept": True}, id="500 after accepting"),
        pytest.param({"kind": "drop_response", "times": 1, "after_accept": True}, id="answer lost after accepting"),
        pytest.param({"kind": "truncate", "times": 1, "after_accept": True}, id="half an answer"),
        pytest.param({"kind": "html", "times": 1, "after_accept": True}, id="HTML with 200"),
        pytest.param({"kind": "status", "status": 429, "times": 1, "headers": {"Retry-After": "1"}}, id="429"),
    ],
)
def test_a_stumbling_supplier_gets_the_order_once(
    ada: Ada, patient: Patient, database: Database, desk: Desk, fault: dict[str, Any]
) -> None:
    cy = patient("device")
    desk.fault(partner="devices", path="/devices/orders.*", method="POST", **fault)
    order = paid(ada, cy, database, "device")
    (reference,) = references(database, order)
    wait_for(lambda: at_partner(desk, "devices", reference), "the supplier to have the order", 40)
    delivered(desk, database, order)
    assert len(at_partner(desk, "devices", reference)) == 1


def test_an_order_that_the_supplier_refuses_gives_the_money_back(
    ada: Ada, patient: Patient, database: Database, desk: Desk
) -> None:
    cy = patient("device")
    desk.fault(partner="devices", path="/devices/orders.*", method="POST", kind="status", status=422, times=1)
    order = paid(ada, cy, database, "device")
    wait_for(lambda: state(database, order) == {"state": "refused", "money": "voided"}, "the money to go back")
    page = cy.visitor.get(f"{cy.live.app_url}/c/follow/")
    assert "not charged" in page.text.lower() or "money" in page.text.lower()


def test_half_of_the_order_is_captured_when_one_supplier_refuses(
    ada: Ada, patient: Patient, database: Database, desk: Desk
) -> None:
    cy = patient("device", "kit")
    desk.fault(partner="lab", path="/lab/orders.*", method="POST", kind="status", status=422, times=1)
    order = paid(ada, cy, database, "device", "kit")
    accepted = wait_for(
        lambda: [reference for reference in references(database, order) if at_partner(desk, "devices", reference)],
        "the device order",
    )
    desk.advance(partner="devices", reference=accepted[0], to="accepted")
    wait_for(lambda: state(database, order)["money"] == "captured", "the capture")
    payment = database.one("SELECT * FROM orders_payment WHERE order_id = %s", order["id"])
    device = database.one(
        "SELECT sum(l.patient_cents) AS cents FROM orders_orderline l JOIN offers_offerline o ON o.id = l.offer_line_id WHERE order_id = %s AND o.kind = 'device'",
        order["id"],
    )
    assert payment["captured_cents"] == device["cents"] < payment["amount_cents"]


# ------------------------------------------------------------------------------------- the clinician changes their mind
@pytest.mark.parametrize("status", ["revoked", "on-hold", "entered-in-error"])
def test_an_order_that_was_stopped_in_the_chart_is_not_dispatched(
    ada: Ada, patient: Patient, database: Database, desk: Desk, live: Live, status: str
) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    stopped = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "DeviceRequest")
    desk.put({**stopped, "status": status})
    cy.pay(page)
    order = order_of(database, cy)
    wait_for(
        lambda: (
            state(database, order)["money"] in ("voided", "none")
            and state(database, order)["state"] in ("cancelled", "refused")
        ),
        "the order to be stopped",
    )
    assert not any(at_partner(desk, "devices", reference) for reference in references(database, order))
    page = cy.visitor.get(f"{live.app_url}/c/follow/")
    assert "not charged" in page.text.lower()


def test_an_order_whose_dose_changed_after_the_link_is_not_dispatched(
    ada: Ada, patient: Patient, database: Database, desk: Desk
) -> None:
    cy = patient("prescription")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "prescription")), "/c/check/"), plan=False)
    changed = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "MedicationRequest")
    changed["dosageInstruction"] = [{"text": "Take 2 tablets twice a day"}]
    desk.put(changed)
    cy.pay(page)
    order = order_of(database, cy)
    wait_for(
        lambda: (
            state(database, order)["money"] in ("voided", "none") and state(database, order)["state"] == "cancelled"
        ),
        "the order to be stopped",
    )
    assert not any(at_partner(desk, "pharmacy", reference) for reference in references(database, order))


def test_an_edited_note_does_not_stop_an_order(ada: Ada, patient: Patient, database: Database, desk: Desk) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    noted = next(dict(each) for each in cy.chart.resources if each["resourceType"] == "DeviceRequest")
    desk.put({**noted, "note": [{"text": "chart-only: another note"}]})
    cy.pay(page)
    delivered(desk, database, order_of(database, cy))


def test_an_ehr_that_cannot_be_read_holds_the_order_until_it_can(
    ada: Ada, patient: Patient, database: Database, desk: Desk
) -> None:
    cy = patient("device")
    page = cy.to_payment(at(cy.prove(sent(ada, cy, "device")), "/c/check/"), plan=False)
    desk.fault(partner="ehr", path="/fhir/R4/DeviceRequest.*", kind="status", status=500, times=100)
    cy.pay(page)
    order = order_of(database, cy)
    wait_for(lambda: state(database, order)["money"] == "authorized", "the authorization")
    time.sleep(2)
    assert not any(at_partner(desk, "devices", reference) for reference in references(database, order))
    desk.no_faults()
    wait_for(
        lambda: any(at_partner(desk, "devices", reference) for reference in references(database, order)),
        "the dispatch",
        60,
    )
