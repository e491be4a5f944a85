"""The adapters against partners that run: the sandbox, over HTTP, with its faults. One contract for the three
suppliers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from ehrcommerce.outbox.outcomes import Done, NeedsHuman, OutcomeUnknown, Refused
from ehrcommerce.policy.packets import CoverageFacts, ShipTo
from ehrcommerce.suppliers.ports import (
    EligibilityLine,
    EligibilityRequest,
    Message,
    PaymentRequest,
    SupplyLine,
    SupplyRequest,
)
from ehrcommerce.wire.client import origin
from ehrcommerce.wire.errors import Unanswered

SUPPLIERS = [("pharmacy_http", "pharmacy"), ("device_http", "devices"), ("kit_http", "lab")]
HOME = ShipTo("Cy Rivera", "12 Alder St", "Olympia", "WA", "98501")


def request(*skus: str, **changes: Any) -> SupplyRequest:
    lines = tuple(SupplyLine(sku, sku, 1) for sku in skus or ("AB-100",))
    return SupplyRequest(**{"reference": str(uuid4()), "ship_to": HOME, "lines": lines, **changes})


@pytest.mark.parametrize(("name", "desk_name"), SUPPLIERS)
def test_placed_found_followed_and_too_late_to_cancel(name: str, desk_name: str, partner: Any, desk: Any) -> None:
    made, wanted = partner(name), request("AB-100", "OUT-100")
    body = made.render(wanted)
    first = made.place(body, idempotency_key="k-" + wanted.reference)
    again = made.place(body, idempotency_key="k-" + wanted.reference)
    assert isinstance(first, Done)
    assert again == first
    assert made.find(wanted.reference).state == "dispatched"
    desk("POST", "/control/advance", {"partner": desk_name, "reference": wanted.reference, "to": "accepted"})
    assert made.find(wanted.reference).accepted == {"AB-100": True, "OUT-100": False}
    desk("POST", "/control/advance", {"partner": desk_name, "reference": wanted.reference, "to": "shipped"})
    status = made.find(wanted.reference)
    assert status.state == "shipped"
    assert partner("carrier_http").track(status.tracking_number) == "shipped"
    assert made.cancel(first.reference, idempotency_key="c-" + wanted.reference) == Refused("too_late")
    desk("POST", "/control/advance", {"partner": desk_name, "reference": wanted.reference, "to": "lost_at_sea"})
    assert made.find(wanted.reference).state == "unknown"


@pytest.mark.parametrize(("name", "desk_name"), SUPPLIERS)
def test_an_order_that_has_not_left_is_cancelled(name: str, desk_name: str, partner: Any) -> None:
    made, wanted = partner(name), request()
    placed = made.place(made.render(wanted), idempotency_key=str(uuid4()))
    assert isinstance(made.cancel(placed.reference, idempotency_key=str(uuid4())), Done)
    assert made.find(wanted.reference).state == "cancelled"


def test_the_same_reference_under_another_key_is_adopted(partner: Any) -> None:
    made, wanted = partner("pharmacy_http"), request()
    first = made.place(made.render(wanted), idempotency_key=str(uuid4()))
    second = made.place(made.render(wanted), idempotency_key=str(uuid4()))
    assert second == first


def test_what_they_do_not_sell_is_refused(partner: Any) -> None:
    made = partner("pharmacy_http")
    assert made.place(made.render(request("BAD-1")), idempotency_key=str(uuid4())) == Refused("unknown_sku")
    nowhere = request(ship_to=ShipTo("Cy", "1 St", "X", "WA", "00000"))
    assert made.place(made.render(nowhere), idempotency_key=str(uuid4())) == Refused("address")


def test_a_wrong_key_of_ours_is_a_persons_work(partner: Any) -> None:
    made = partner("pharmacy_http", api_key="wrong")
    assert made.place(made.render(request()), idempotency_key=str(uuid4())) == NeedsHuman("not_authorized")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "status", "status": 503, "headers": {"Retry-After": "2"}}, OutcomeUnknown("partner_failed")),
        ({"kind": "status", "status": 500}, OutcomeUnknown("partner_failed")),
        ({"kind": "drop_response", "after_accept": True}, Unanswered),
        ({"kind": "truncate", "after_accept": True}, Unanswered),
        ({"kind": "html", "status": 200, "after_accept": True}, Unanswered),
        ({"kind": "reset"}, Unanswered),
    ],
)
def test_faults_of_the_world(fault: dict[str, Any], outcome: Any, partner: Any, desk: Any) -> None:
    made, wanted = partner("device_http"), request()
    desk("POST", "/control/faults", {"partner": "devices", "path": "/devices/orders", "times": 1, **fault})
    body, key = made.render(wanted), str(uuid4())
    if outcome is Unanswered:
        with pytest.raises(Unanswered):
            made.place(body, idempotency_key=key)
    else:
        assert made.place(body, idempotency_key=key) == outcome
    assert (made.find(wanted.reference) is not None) is bool(fault.get("after_accept"))
    assert isinstance(made.place(body, idempotency_key=key), Done)


def test_money(partner: Any, desk: Any) -> None:
    made, reference = partner("payment_hosted"), str(uuid4())
    back = f"{settings.PATIENT_URL}/c/"
    opened = made.open(
        made.render(PaymentRequest(reference, 1480, "USD", back, back)), idempotency_key="o-" + reference
    )
    status = opened.facts["status"]
    assert (status.state, status.amount_cents, origin(status.url)) == ("open", 1480, made.page_origin)
    assert made.capture(opened.reference, 1000, idempotency_key=str(uuid4())) == Refused("wrong_state")
    desk("POST", "/control/advance", {"partner": "payment", "reference": reference, "to": "authorized"})
    assert made.find(reference).state == "authorized"
    captured = made.capture(opened.reference, 1000, idempotency_key="c-" + reference)
    assert (captured.facts["status"].state, captured.facts["status"].captured_cents) == ("captured", 1000)
    assert made.capture(opened.reference, 1000, idempotency_key="c-" + reference) == captured
    assert made.void(opened.reference, idempotency_key=str(uuid4())) == Refused("wrong_state")
    refunded = made.refund(opened.reference, 400, idempotency_key=str(uuid4()))
    assert (refunded.facts["status"].state, refunded.facts["status"].refunded_cents) == ("captured", 400)
    assert made.refund(opened.reference, 700, idempotency_key=str(uuid4())) == Refused("amount_too_large")
    assert made.find(str(uuid4())) is None


def test_the_plan(partner: Any) -> None:
    made = partner("eligibility_http")
    lines = (EligibilityLine("L-1", "rxnorm", "861007", 1480, "88"), EligibilityLine("L-2", "rxnorm", "1", 500, "88"))
    states = {}
    for member in ("M-1", "M-NC", "M-UN", "M-DN", "M-IN", "M-75"):
        plan = CoverageFacts("Plan", "P-9", member, "self")
        body = made.render(EligibilityRequest(str(uuid4()), plan, None, "1234567893", lines))
        states[member] = made.check(body, idempotency_key=str(uuid4())).facts["answer"]
    assert states["M-1"].pays == {"L-1": 400, "L-2": 400}
    assert {member: answer.state for member, answer in states.items()} == {
        "M-1": "covered",
        "M-NC": "not_covered",
        "M-UN": "unknown",
        "M-DN": "unreachable",
        "M-IN": "not_covered",
        "M-75": "unknown",
    }


def test_a_message_is_delivered_once_and_found_again(partner: Any, desk: Any) -> None:
    made, reference = partner("messaging_http"), str(uuid4())
    body = made.render(Message(reference, "sms", "+13605550101", "Hello", sender="Lakeside"))
    assert not made.find(reference)
    for _ in range(2):
        assert isinstance(made.deliver(body, idempotency_key=reference), Done)
    assert made.find(reference)
    assert len(desk("GET", f"/control/messages?reference={reference}")["messages"]) == 1


def test_a_parcel_that_nobody_knows(partner: Any) -> None:
    assert partner("carrier_http").track("no such/number") == ""


def test_the_processors_own_list_its_holds_and_its_disputes(partner: Any, desk: Any) -> None:
    made, since = partner("payment_hosted"), datetime.now(UTC) - timedelta(minutes=1)
    back, references = f"{settings.PATIENT_URL}/c/", [str(uuid4()) for _ in range(3)]
    for reference in references:
        request_ = PaymentRequest(reference, 1480, "USD", back, back)
        made.open(made.render(request_), idempotency_key="o-" + reference)
    first = references[0]
    desk("POST", "/control/advance", {"partner": "payment", "reference": first, "to": "authorized"})
    held = made.find(first)
    assert held.hold_ends_at > datetime.now(UTC) + timedelta(days=6)
    made.capture(held.processor_reference, 1480, idempotency_key="c-" + first)
    desk("POST", "/control/advance", {"partner": "payment", "reference": first, "to": "disputed"})
    listed = {one.reference: one for one in made.listed(since, datetime.now(UTC) + timedelta(minutes=1))}
    assert [(listed[one].state, listed[one].disputed) for one in references] == [
        ("captured", True), ("open", False), ("open", False),
    ]  # fmt: skip
    assert made.listed(since - timedelta(days=2), since - timedelta(days=1)) == []


def test_a_pharmacists_question_is_answered_once(partner: Any, desk: Any) -> None:
    made, wanted = partner("pharmacy_http"), request()
    placed = made.place(made.render(wanted), idempotency_key=str(uuid4()))
    assert made.answer(placed.reference, "as_written", "", idempotency_key=str(uuid4())) == Refused("no_question")
    more = {"question": "dose", "backordered": {"AB-100": "2026-12-24"}, "parcels": [{"number": "T-1"}]}
    wish = {"partner": "pharmacy", "reference": wanted.reference, "to": "accepted", **more}
    desk("POST", "/control/advance", wish)
    found = made.find(wanted.reference)
    assert (found.question, found.backordered) == ("dose", {"AB-100": "2026-12-24"})
    assert [(one.tracking_number, one.state) for one in found.parcels] == [("T-1", "shipped")]
    for _ in range(2):
        answered = made.answer(placed.reference, "as_written", "Half.", idempotency_key=str(uuid4()))
        assert isinstance(answered, Done)
    assert made.find(wanted.reference).question == ""


def test_a_messenger_that_is_told_drops_to_whom_it_wrote_and_what(partner: Any, desk: Any) -> None:
    made, reference, kept = partner("messaging_http"), str(uuid4()), str(uuid4())
    for one in (reference, kept):
        message = Message(reference=one, channel="sms", to="+13605550177", text="Your code", sender="Clinic")
        assert isinstance(made.deliver(made.render(message), idempotency_key=one), Done)
    assert made.forget([reference], idempotency_key=str(uuid4())) == Done()
    held = {one["reference"]: (one["to"], one["text"]) for one in desk("GET", "/control/messages")["messages"]}
    assert held[reference] == ("", "")
    assert held[kept] == ("+13605550177", "Your code")


def test_a_plan_that_must_keep_what_it_was_asked_was_told_all_the_same(partner: Any) -> None:
    assert partner("eligibility_http").forget([str(uuid4())], idempotency_key=str(uuid4())) == Done()
