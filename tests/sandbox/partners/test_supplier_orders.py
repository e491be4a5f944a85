"""An order's way through a supplier's hands: by hand, by the clock, accepted in part, rejected, cancelled."""

from typing import Any

import pytest

from .conftest import HEALTHY_ADDRESS, Caller, new_order, until


def advance(caller: Caller, order: dict[str, Any], to: str, *, partner: str = "pharmacy", **more: Any) -> Any:
    return caller.control("advance", {"partner": partner, "id": order["id"], "to": to, **more})


def test_an_order_is_accepted_in_part(caller: Caller) -> None:
    order = caller.place("RX-ONE", "RX-TWO")
    advance(caller, order, "accepted", accepted_lines={"RX-ONE": True, "RX-TWO": False})
    told = caller.get(f"/pharmacy/orders/{order['id']}").json()
    assert told["status"] == "accepted"
    assert {line["sku"]: line["accepted"] for line in told["lines"]} == {"RX-ONE": True, "RX-TWO": False}


def test_an_order_of_which_no_line_is_accepted_is_rejected(caller: Caller) -> None:
    order = caller.place("RX-ONE")
    told = advance(caller, order, "accepted", accepted_lines={"RX-ONE": False})
    assert (told["status"], told["reason"]) == ("rejected", "out_of_stock")


def test_lines_are_undecided_until_the_order_is_accepted(caller: Caller) -> None:
    order = caller.place("RX-ONE")
    assert caller.get(f"/pharmacy/orders/{order['id']}").json()["lines"][0]["accepted"] is None


@pytest.mark.parametrize("reason", ["out_of_stock", "prescription_problem", "address"])
def test_a_rejected_order_says_why(caller: Caller, reason: str) -> None:
    told = advance(caller, caller.place(), "rejected", reason=reason)
    assert (told["status"], told["reason"]) == ("rejected", reason)


def test_an_order_that_has_not_left_is_cancelled(caller: Caller) -> None:
    order = caller.place()
    advance(caller, order, "packed")
    for _ in range(2):
        answer = caller.post(f"/pharmacy/orders/{order['id']}/cancel", {})
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


def test_a_cancel_that_comes_too_late_is_refused(caller: Caller) -> None:
    order = caller.place()
    advance(caller, order, "shipped")
    answer = caller.post(f"/pharmacy/orders/{order['id']}/cancel", {})
    assert answer.status_code == 409
    assert (answer.json()["error"], answer.json()["status"]) == ("too_late", "shipped")
    assert caller.get(f"/pharmacy/orders/{order['id']}").json()["status"] == "shipped"


def test_a_jump_passes_every_station_between(caller: Caller) -> None:
    order = caller.place(partner="lab")
    advance(caller, order, "sample_received", partner="lab")
    whole = caller.look(f"orders?partner=lab&reference={order['reference']}")["orders"][0]
    assert [step["status"] for step in whole["history"]] == [
        "received", "accepted", "packed", "shipped", "delivered", "kit_registered", "sample_received",
    ]  # fmt: skip


def test_a_status_that_no_contract_knows_can_be_set(caller: Caller) -> None:
    order = caller.place()
    assert advance(caller, order, "on_the_moon")["status"] == "on_the_moon"


def test_the_carrier_knows_a_parcel_once_it_is_shipped(caller: Caller) -> None:
    order = caller.place()
    assert caller.get(f"/pharmacy/orders/{order['id']}").json()["tracking"] is None
    tracking = advance(caller, order, "shipped")["tracking"]
    assert tracking["carrier"] == "Sandbox Post"
    assert caller.get(f"/carrier/track/{tracking['number']}").json()["status"] == "label_created"
    advance(caller, order, "delivered")
    parcel = caller.get(f"/carrier/track/{tracking['number']}").json()
    assert [event["status"] for event in parcel["events"]] == [
        "label_created", "in_transit", "out_for_delivery", "delivered",
    ]  # fmt: skip


def test_the_carrier_may_say_what_nobody_expects(caller: Caller) -> None:
    number = advance(caller, caller.place(), "shipped")["tracking"]["number"]
    caller.control("advance", {"partner": "carrier", "id": number, "to": "held_by_customs"})
    assert caller.get(f"/carrier/track/{number}").json()["status"] == "held_by_customs"


def test_orders_move_by_themselves_when_the_clock_is_on(caller: Caller) -> None:
    order, empty_shelf = caller.place(partner="devices"), caller.place("OUT-CPAP", partner="devices")
    mixed = caller.place("OUT-MASK", "HOSE-6FT", partner="devices")
    caller.control("step", {"step_s": 0.3})

    def look(one: dict[str, Any]) -> Any:
        return caller.get(f"/devices/orders/{one['id']}").json()

    until(lambda: look(order)["status"] == "delivered", within_s=15)
    assert look(order)["tracking"]["number"]
    assert (look(empty_shelf)["status"], look(empty_shelf)["reason"]) == ("rejected", "out_of_stock")
    assert [line["accepted"] for line in look(mixed)["lines"]] == [False, True]


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("lines", [], "invalid"),
        ("lines", [{"sku": "lower-case", "quantity": 1}], "unknown_sku"),
        ("lines", [{"sku": "BAD-ONE", "quantity": 1}], "unknown_sku"),
        ("lines", [{"sku": "RX-ONE", "quantity": 0}], "quantity"),
        ("lines", [{"sku": "RX-ONE", "quantity": True}], "quantity"),
        ("lines", [{"sku": "RX-ONE", "quantity": 1, "diagnosis": "E11"}], "unknown_key"),
        ("ship_to", {"name": "Cy"}, "address"),
        ("ship_to", {**HEALTHY_ADDRESS, "postal_code": "00000"}, "address"),
        ("ship_to", {**HEALTHY_ADDRESS, "country": "CA"}, "address"),
        ("reference", "", "invalid"),
        ("note", "please ring twice", "unknown_key"),
        ("prescription", "as text", "invalid"),
    ],
)
def test_a_malformed_order_is_refused(caller: Caller, field: str, value: Any, error: str) -> None:
    answer = caller.post("/pharmacy/orders", {**new_order(), field: value})
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "detail"}
    assert answer.json()["error"] == error


def test_a_partner_knows_its_own_orders_only(caller: Caller) -> None:
    order = caller.place(partner="lab")
    assert caller.get(f"/pharmacy/orders/{order['id']}").status_code == 404
    assert caller.get(f"/pharmacy/orders?reference={order['reference']}").json() == {"orders": []}
