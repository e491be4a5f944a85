"""The life of a payment: opened by the merchant, authorized by the payer, captured or given back."""

import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from .conftest import Caller, Receiver, until

BACK = "http://127.0.0.1:9/back?ok=1"
AWAY = "http://127.0.0.1:9/away"


def wish(**other: Any) -> dict[str, Any]:
    return {
        "reference": f"p-{uuid.uuid4().hex}",
        "amount_cents": 4600,
        "currency": "USD",
        "success_url": BACK,
        "cancel_url": AWAY,
        "capture": "manual",
        **other,
    }


def opened(caller: Caller) -> dict[str, Any]:
    answer = caller.post("/pay/sessions", wish())
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


def press(session: dict[str, Any], choice: str) -> requests.Response:
    """The payer presses a button on the hosted page."""
    return requests.post(session["url"], data={"choice": choice}, allow_redirects=False, timeout=10)


def status(caller: Caller, session: dict[str, Any]) -> str:
    return str(caller.get(f"/pay/sessions/{session['id']}").json()["status"])


def test_a_payment_is_authorized_captured_and_given_back_in_parts(caller: Caller, receiver: Receiver) -> None:
    session = opened(caller)
    assert session["status"] == "open"
    paid = press(session, "pay")
    assert (paid.status_code, paid.headers["Location"]) == (303, BACK)
    assert status(caller, session) == "authorized"
    path = f"/pay/sessions/{session['id']}"
    captured = caller.post(f"{path}/capture", {"amount_cents": 4000}).json()
    assert (captured["status"], captured["captured_cents"]) == ("captured", 4000)
    part = caller.post(f"{path}/refund", {"amount_cents": 1000}).json()
    assert (part["status"], part["refunded_cents"]) == ("captured", 1000)
    assert caller.post(f"{path}/refund", {"amount_cents": 3001}).status_code == 409
    rest = caller.post(f"{path}/refund", {"amount_cents": 3000}).json()
    assert (rest["status"], rest["refunded_cents"]) == ("refunded", 4000)
    until(lambda: len(_told(receiver, session)) == 4)
    assert sorted(_told(receiver, session)) == [
        "payment.authorized", "payment.captured", "payment.refunded", "payment.refunded",
    ]  # fmt: skip


def test_an_authorization_is_voided(caller: Caller) -> None:
    session = opened(caller)
    press(session, "pay")
    assert caller.post(f"/pay/sessions/{session['id']}/void", {}).json()["status"] == "voided"
    late = caller.post(f"/pay/sessions/{session['id']}/capture", {"amount_cents": 1})
    assert (late.status_code, late.json()) == (409, {"error": "wrong_state", "status": "voided"})


def test_more_than_was_authorized_is_not_captured(caller: Caller) -> None:
    session = opened(caller)
    press(session, "pay")
    assert caller.post(f"/pay/sessions/{session['id']}/capture", {"amount_cents": 4601}).status_code == 409
    assert status(caller, session) == "authorized"


def test_a_refused_card_leaves_the_session_open(caller: Caller) -> None:
    session = opened(caller)
    refused = press(session, "refuse")
    assert refused.status_code == 303
    page = caller.page(refused.headers["Location"])
    assert "The card was refused" in page
    assert "Try again" in page
    told = caller.get(f"/pay/sessions/{session['id']}").json()
    assert (told["status"], told["last_error"]) == ("open", "card_declined")
    assert press(session, "pay").headers["Location"] == BACK
    assert status(caller, session) == "authorized"


def test_a_payer_who_gives_up_closes_the_session(caller: Caller, receiver: Receiver) -> None:
    session = opened(caller)
    press(session, "refuse")
    assert press(session, "give_up").headers["Location"] == AWAY
    assert status(caller, session) == "failed"
    until(lambda: _told(receiver, session) == ["payment.failed"])


def test_closing_the_window_leaves_the_session_open(caller: Caller) -> None:
    session = opened(caller)
    assert press(session, "cancel").headers["Location"] == AWAY
    assert status(caller, session) == "open"


def test_an_expired_session_cannot_be_paid(caller: Caller) -> None:
    session = opened(caller)
    assert caller.post(f"/pay/sessions/{session['id']}/expire", {}).json()["status"] == "expired"
    assert press(session, "pay").headers["Location"] == AWAY
    assert status(caller, session) == "expired"


def test_a_second_press_of_pay_leads_the_same_way(caller: Caller) -> None:
    session = opened(caller)
    assert [press(session, "pay").headers["Location"] for _ in range(2)] == [BACK, BACK]


def test_looking_at_the_page_pays_nothing(caller: Caller) -> None:
    session = opened(caller)
    page = caller.page(urlsplit(session["url"]).path)
    assert "$46.00" in page
    assert "<script" not in page
    assert status(caller, session) == "open"


def test_the_page_speaks_spanish_when_asked(caller: Caller) -> None:
    page = caller.page(urlsplit(opened(caller)["url"]).path + "?lang=es")
    assert 'lang="es"' in page
    assert "Pagar con tarjeta de prueba" in page


def test_a_key_that_is_not_known_is_refused(caller: Caller) -> None:
    unknown: tuple[dict[str, Any], ...] = ({"patient_name": "Cy"}, {"description": "Insulin"}, {"metadata": {}})
    for other in unknown:
        body = wish(**other)
        assert caller.post("/pay/sessions", body).status_code == 400
        assert caller.get(f"/pay/sessions?reference={body['reference']}").json()["sessions"] == []
    session = opened(caller)
    assert caller.post(f"/pay/sessions/{session['id']}/void", {"note": "x"}).status_code == 400


@pytest.mark.parametrize(
    "other",
    [{"amount_cents": 0}, {"amount_cents": 10.5}, {"amount_cents": "4600"}, {"currency": "EUR"}, {"capture": "auto"},
     {"success_url": "javascript:alert(1)"}, {"cancel_url": "http://a b/"}, {"reference": "Cy Sample"}],
)  # fmt: skip
def test_a_malformed_session_is_refused(caller: Caller, other: dict[str, Any]) -> None:
    assert caller.post("/pay/sessions", wish(**other)).status_code == 400


def test_a_capture_whose_answer_was_lost_is_done_once(caller: Caller) -> None:
    session, key = opened(caller), uuid.uuid4().hex
    press(session, "pay")
    caller.control("faults", {"partner": "payment", "path": "/capture$", "kind": "drop_response", "after_accept": True})
    path, body = f"/pay/sessions/{session['id']}/capture", {"amount_cents": 4600}
    with pytest.raises(requests.RequestException):
        caller.post(path, body, key=key)
    assert status(caller, session) == "captured"
    again = caller.post(path, body, key=key)
    assert (again.status_code, again.json()["captured_cents"]) == (200, 4600)


def test_sessions_that_moved_are_listed_for_reconciliation(caller: Caller) -> None:
    early, session = opened(caller), opened(caller)
    press(session, "pay")
    since = caller.get(f"/pay/sessions/{session['id']}").json()["updated_at"]
    answer = caller.get(f"/pay/sessions?since={since}").json()
    listed = [one["id"] for one in answer["sessions"]]
    assert session["id"] in listed
    assert early["id"] not in listed
    assert answer["has_more"] is False


def test_the_control_pays_for_the_payer(caller: Caller) -> None:
    session = opened(caller)
    caller.control("advance", {"partner": "payment", "reference": session["reference"], "to": "authorized"})
    assert status(caller, session) == "authorized"


def test_what_the_payment_company_does_without_telling_is_found_by_asking(caller: Caller, receiver: Receiver) -> None:
    session = opened(caller)
    which = {"partner": "payment", "id": session["id"], "silent": True}
    for to in ("authorized", "captured"):
        caller.control("advance", {**which, "to": to})
    told = caller.control("advance", {**which, "to": "refunded", "amount_cents": 600})
    assert (told["status"], told["captured_cents"], told["refunded_cents"]) == ("captured", 4600, 600)
    assert caller.look(f"callbacks?reference={session['reference']}")["events"] == []
    assert _told(receiver, session) == []


def _told(receiver: Receiver, session: dict[str, Any]) -> list[str]:
    bodies = [json.loads(body) for _, body in list(receiver.calls)]
    return [body["type"] for body in bodies if body["object_id"] == session["id"]]
