"""What partners tell by themselves: signed, tried again, the same bytes each time, and silent when told so."""

import hashlib
import hmac
import json
import time
from typing import Any

from .conftest import Caller, Receiver, until


def events(receiver: Receiver, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The bodies that came for one order."""
    bodies = [json.loads(body) for _, body in list(receiver.calls)]
    return [body for body in bodies if body["reference"] == order["reference"]]


def test_an_event_is_signed_over_its_id_time_and_bytes(caller: Caller, receiver: Receiver) -> None:
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "reference": order["reference"], "to": "accepted"})
    headers, body = until(lambda: receiver.calls)[0]
    signed = headers["X-Event-Id"].encode() + b"." + headers["X-Timestamp"].encode() + b"." + body
    digest = hmac.new(caller.sandbox.callback_secret.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == f"v1={digest}"
    assert abs(int(headers["X-Timestamp"]) - time.time()) < 30
    event = json.loads(body)
    assert set(event) == {"id", "type", "partner", "reference", "object_id", "status", "at"}
    assert (event["id"], event["type"]) == (headers["X-Event-Id"], "order.accepted")
    assert (event["object_id"], event["partner"]) == (order["id"], "pharmacy")


def test_an_event_that_is_not_taken_is_sent_again(caller: Caller, receiver: Receiver) -> None:
    receiver.answers[:] = [500, 302]
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "accepted"})
    until(lambda: len(receiver.calls) >= 3)
    told = until(lambda: [one for one in _kept(caller, order) if one["delivered"]])
    assert [one["tries"] for one in told] == [3]
    assert len({body for _, body in receiver.calls}) == 1
    assert len({headers["X-Event-Id"] for headers, _ in receiver.calls}) == 1


def test_each_try_is_in_the_journal(caller: Caller, receiver: Receiver) -> None:
    receiver.answers[:] = [503]
    order = caller.place(partner="lab")
    caller.control("advance", {"partner": "lab", "id": order["id"], "to": "accepted"})
    until(lambda: [one for one in _kept(caller, order) if one["delivered"]])
    journal = caller.look("journal?partner=lab-callback")["entries"]
    tries = [entry for entry in journal if order["reference"] in entry["body"]]
    assert [entry["status"] for entry in tries] == [503, 200]


def test_a_silent_step_tells_nobody(caller: Caller, receiver: Receiver) -> None:
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "packed", "silent": True})
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "shipped"})
    until(lambda: events(receiver, order))
    assert [event["status"] for event in events(receiver, order)] == ["shipped"]


def test_every_station_is_told(caller: Caller, receiver: Receiver) -> None:
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "delivered"})
    until(lambda: len(events(receiver, order)) == 4)
    assert {event["type"] for event in events(receiver, order)} == {
        "order.accepted", "order.packed", "order.shipped", "order.delivered",
    }  # fmt: skip


def test_an_event_can_be_sent_again_on_purpose(caller: Caller, receiver: Receiver) -> None:
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "accepted"})
    until(lambda: [one for one in _kept(caller, order) if one["delivered"]])
    caller.control("callback/replay", {"event_id": events(receiver, order)[0]["id"]})
    until(lambda: len(events(receiver, order)) == 2)
    first, second = events(receiver, order)
    assert first == second


def test_without_an_address_nothing_is_sent(caller: Caller, receiver: Receiver) -> None:
    caller.control("callbacks", {"pharmacy": ""})
    order = caller.place()
    caller.control("advance", {"partner": "pharmacy", "id": order["id"], "to": "accepted"})
    assert [(one["tries"], one["pending"]) for one in _kept(caller, order)] == [(0, False)]


def _kept(caller: Caller, order: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.look(f"callbacks?reference={order['reference']}")["events"]
    return found
