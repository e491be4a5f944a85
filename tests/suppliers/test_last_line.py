"""The last line before the socket: no adapter can send what the table does not grant its hop, whatever was made wrong
before; the try ends with a person, and the privacy officer reads which field it was."""

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox.outcomes import NeedsHuman
from ehrcommerce.policy.leaves import leaves
from ehrcommerce.suppliers import chosen, last_line
from ehrcommerce.suppliers.adapters import _http_partner
from ehrcommerce.suppliers.last_line import FieldNotGranted
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import Message, PaymentRequest, SupplyLine, SupplyRequest
from ehrcommerce.vault import walls
from tests import factories
from tests.suppliers.test_bytes import HOME, PERSON

ADAPTERS = {
    "pharmacy_http": Port.PHARMACY, "device_http": Port.DEVICE, "kit_http": Port.KIT, "payment_hosted": Port.PAYMENT,
    "messaging_http": Port.MESSAGING,
}  # fmt: skip
FACTS = {"name": "metformin", "directions": "1 tablet", "codings": [{"system": "s", "code": "1", "display": "d"}],
         "routing_proof": "transfer"}  # fmt: skip
SUPPLY = SupplyRequest("R-1", HOME, (SupplyLine("L-1", "S-1", 1, "size: medium", FACTS),), PERSON)
ASKED: dict[str, Any] = {
    "pharmacy_http": SUPPLY, "device_http": SUPPLY, "kit_http": SUPPLY,
    "payment_hosted": PaymentRequest("R-1", 1480, "USD", "https://a.example/ok", "https://a.example/no"),
    "messaging_http": Message("R-1", "email", "cy@mail.example", "Your code", "A message", "<p>code</p>", "Lakeside"),
}  # fmt: skip


@pytest.fixture
def socket() -> Iterator[mock.Mock]:
    with mock.patch.object(_http_partner, "ask") as asked:
        yield asked


def adapter(name: str) -> Any:
    clinic = factories.organization()
    walls.enter(clinic.pk)
    supplier = Supplier.objects.create(
        organization=clinic, port=ADAPTERS[name], adapter=name, name=name, base_url="https://p.example"
    )
    return chosen.adapter_of(supplier)


def refused(made: Any, body: bytes, socket: mock.Mock) -> FieldNotGranted:
    with pytest.raises(FieldNotGranted) as caught:
        made.post("orders", body, idempotency_key="k")
    assert isinstance(caught.value.outcome, NeedsHuman)
    assert socket.call_count == 0
    told = AuditEvent.objects.filter(action="disclosure.refused", recipient=made.supplier.party)
    assert [(row.outcome, row.reason) for row in told] == [("security", caught.value.outcome.code)]
    assert set(told[0].elements.split(",")) == set(caught.value.problems)
    return caught.value


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_each_hop_is_granted_goes_out_as_it_was_rendered(name: str, commits: None, socket: mock.Mock) -> None:
    made = adapter(name)
    body = made.render(ASKED[name])
    made.post("orders", body, idempotency_key="k")
    assert socket.call_args.kwargs["body"] == body


@pytest.mark.parametrize("name", ADAPTERS)
def test_one_more_field_anywhere_in_a_body_is_not_sent(name: str, commits: None, socket: mock.Mock) -> None:
    made = adapter(name)
    whole = json.loads(made.render(ASKED[name]))
    for place in objects(whole):
        place["Cy Rivera"] = "migraine"
        problem = refused_once(made, whole, socket)
        assert problem.outcome.code == "unknown_field"
        assert "Cy" not in repr(problem.problems)
        assert "migraine" not in repr(problem.problems) + str(problem)
        del place["Cy Rivera"]
    made.post("orders", json.dumps(whole).encode(), idempotency_key="k")


def refused_once(made: Any, body: dict[str, Any], socket: mock.Mock) -> FieldNotGranted:
    with pytest.raises(FieldNotGranted) as caught:
        made.post("orders", json.dumps(body).encode(), idempotency_key="k")
    assert socket.call_count == 0
    return caught.value


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(part)


def test_a_field_that_another_hop_may_have_is_not_sent_to_this_one(commits: None, socket: mock.Mock) -> None:
    """The adapter knows what the field is; the table decides that a laboratory does not get it."""
    made = adapter("kit_http")
    made.sends = {**made.sends, "patient.birth_date": "DispatchFacts.birth_date"}
    body = {**json.loads(made.render(SUPPLY)), "patient": {"birth_date": "1980-02-29"}}
    problem = refused(made, json.dumps(body).encode(), socket)
    assert problem.problems == {"DispatchFacts.birth_date": "not_granted"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"not json", "unknown_field"), (b'["R-1"]', "unknown_field"),
        (b'{"lines":[{"quantity":0.5}]}', "not_plain"),
        (json.dumps({"prescription": {"items": [{"directions": "x" * 501}]}}).encode(), "too_long"),
        (b'{"note":{}}', "unknown_field"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_agreed_form_is_not_sent(body: bytes, code: str, commits: None, socket: mock.Mock) -> None:
    assert refused(adapter("pharmacy_http"), body, socket).outcome == NeedsHuman(code)


def test_a_refused_effect_waits_for_a_person(shop: Any, monkeypatch: pytest.MonkeyPatch, socket: mock.Mock) -> None:
    """Through the outbox: an adapter that says too much stops the order, and nothing was sent."""
    order = shop.authorized("device")
    supplier = shop.supplier(Port.DEVICE)
    supplier.adapter = "device_http"
    supplier.save()
    real = last_line.require
    monkeypatch.setattr(shop.devices, "place", lambda body, idempotency_key: real(supplier, {}, body))
    shop.run("fulfillment.dispatch")
    effect = shop.effect("fulfillment.dispatch")
    assert (effect.state, effect.code, bytes(effect.body)) == ("needs_human", "unknown_field", b"")
    assert (shop.fulfillment(order).state, shop.fulfillment(order).reason) == ("exception", "unknown_field")
    assert AuditEvent.objects.filter(action="disclosure.refused", recipient=supplier.party).exists()
    assert socket.call_count == 0


def test_every_leaf_is_looked_at() -> None:
    assert list(leaves({"a": [{"b": 1}, {"c": {}}], "d": None})) == [("a.b", 1), ("a.c", {}), ("d", None)]
