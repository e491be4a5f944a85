"""One act for one idempotency key, whatever happens to the answer on the way."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from .conftest import Caller, new_order


def test_the_same_key_and_bytes_get_the_first_answer_again(caller: Caller) -> None:
    order, key = new_order(), uuid.uuid4().hex
    first = caller.post("/pharmacy/orders", order, key=key)
    again = caller.post("/pharmacy/orders", order, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert first.json() == again.json()
    assert len(caller.look(f"orders?reference={order['reference']}")["orders"]) == 1


def test_a_reused_key_with_other_bytes_is_refused(caller: Caller) -> None:
    key = uuid.uuid4().hex
    caller.post("/pharmacy/orders", new_order(), key=key)
    other = new_order()
    refused = caller.post("/pharmacy/orders", other, key=key)
    assert (refused.status_code, refused.json()) == (409, {"error": "idempotency_key_reused"})
    assert caller.look(f"orders?reference={other['reference']}")["orders"] == []


def test_a_key_belongs_to_one_path(caller: Caller) -> None:
    one, two, key = caller.place(), caller.place(), uuid.uuid4().hex
    assert caller.post(f"/pharmacy/orders/{one['id']}/cancel", {}, key=key).status_code == 200
    assert caller.post(f"/pharmacy/orders/{two['id']}/cancel", {}, key=key).status_code == 409
    assert caller.get(f"/pharmacy/orders/{two['id']}").json()["status"] == "received"


def test_a_post_without_a_key_is_refused(caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {caller.sandbox.partner_api_key}"}
    answer = requests.post(f"{caller.sandbox.url}/pharmacy/orders", json=new_order(), headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "idempotency_key_missing")


def test_a_request_without_the_bearer_key_is_refused(caller: Caller) -> None:
    answer = requests.get(f"{caller.sandbox.url}/pharmacy/orders?reference=x", timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_reference_is_taken_once_whatever_the_key(caller: Caller) -> None:
    order = new_order()
    first = caller.post("/pharmacy/orders", order)
    second = caller.post("/pharmacy/orders", order)
    assert second.status_code == 409
    assert second.json() == {"error": "duplicate_reference", "id": first.json()["id"]}


def test_a_refusal_is_not_remembered_under_its_key(caller: Caller) -> None:
    order, key = new_order("BAD-SKU"), uuid.uuid4().hex
    refused = caller.post("/pharmacy/orders", order, key=key)
    assert (refused.status_code, refused.json()["error"]) == (422, "unknown_sku")
    order["lines"][0]["sku"] = "GOOD-SKU"
    assert caller.post("/pharmacy/orders", order, key=key).status_code == 201


def test_many_requests_at_once_make_one_order(caller: Caller) -> None:
    order, key = new_order(), uuid.uuid4().hex
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: caller.post("/pharmacy/orders", order, key=key), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize("kind", ["drop_response", "reset"])
def test_an_order_whose_answer_was_lost_is_found_by_its_reference(caller: Caller, kind: str) -> None:
    order, key = new_order(), uuid.uuid4().hex
    fault = {"partner": "pharmacy", "path": "^/pharmacy/orders$", "kind": kind, "times": 1, "after_accept": True}
    caller.control("faults", fault)
    with pytest.raises(requests.RequestException):
        caller.post("/pharmacy/orders", order, key=key)
    found = caller.get(f"/pharmacy/orders?reference={order['reference']}").json()["orders"]
    assert [one["status"] for one in found] == ["received"]
    again = caller.post("/pharmacy/orders", order, key=key)
    assert (again.status_code, again.json()["id"]) == (200, found[0]["id"])


def test_an_order_that_never_arrived_is_not_found(caller: Caller) -> None:
    order = new_order()
    caller.control("faults", {"partner": "pharmacy", "path": "orders", "kind": "drop_response", "times": 1})
    with pytest.raises(requests.RequestException):
        caller.post("/pharmacy/orders", order)
    assert caller.get(f"/pharmacy/orders?reference={order['reference']}").json() == {"orders": []}
