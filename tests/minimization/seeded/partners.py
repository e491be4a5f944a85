"""Leaks on purpose to outside parties, in the fields that they may get."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.minimization.seeded.patches import after, leak, wrap

ADAPTERS = "ehrcommerce.suppliers.adapters."


def _body(adapter: str, turn: Callable[[dict[str, Any]], None]) -> None:
    def turned(body: bytes, *_: Any) -> bytes:
        said = json.loads(body)
        turn(said)
        return json.dumps(said, separators=(",", ":")).encode()

    after(f"{ADAPTERS}{adapter}.Adapter.render", turned)


@leak("the subject of an e-mail")
def _(said: Callable[[], str]) -> None:
    def turn(body: dict[str, Any]) -> None:
        from ehrcommerce.commerce.offers.models import OfferLine

        line = OfferLine.objects.order_by("-pk").first()
        body["text"] += f" ({line.packet['orderer_name']})" if line else ""
        if "subject" in body and line:
            body["subject"] += f" from {line.packet['orderer_name']}"

    _body("messaging_http", turn)


@leak("the description of a payment")
def _(said: Callable[[], str]) -> None:
    _body("payment_hosted", lambda body: body.update(success_url=f"{body['success_url']}?item={said()}"))


@leak("a parameter to the EHR")
def _(said: Callable[[], str]) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **more: Any) -> Any:
            return real(*args, **{**more, "params": [*more.get("params", ()), ("_why", said())]})

        return asked

    wrap("ehrcommerce.wire.fhir.get", make)


@leak("a note to the pharmacy")
def _(said: Callable[[], str]) -> None:
    _label("pharmacy_http", said)


@leak("a reason on the device supplier's label")
def _(said: Callable[[], str]) -> None:
    _label("device_http", said)


@leak("a reason on the laboratory's label")
def _(said: Callable[[], str]) -> None:
    _label("kit_http", said)


def _label(adapter: str, said: Callable[[], str]) -> None:
    _body(adapter, lambda body: body["ship_to"].update(line=f"{body['ship_to']['line']} {said()}"))


@leak("a name to the payer")
def _(said: Callable[[], str]) -> None:
    def named(facts: Any, *_: Any) -> Any:
        return tuple(replace(one, group=f"{one.group} {said()}") for one in facts)

    after("ehrcommerce.disclosure.plans.plans", named)
