"""Text messages by a gateway whose names a row tells, what gateways tell us, and a STOP that holds. [SEC-B16, REL-F52]"""

import hmac
import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.outbox.handlers import LOOKUP, NONE
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, OutcomeUnknown, Refused, TryAgain
from ehrcommerce.suppliers import chosen, messages, optouts
from ehrcommerce.suppliers.models import MessageNews, OptOut, Port, Supplier
from ehrcommerce.suppliers.ports import Message, NoSupplier
from ehrcommerce.wire.errors import BadAnswer
from tests.commerce.shop import Shop
from tests.suppliers.test_callbacks import post
from tests.wire.test_client import Server, plain

PHONE = "+13605550101"
OTHER_NAMES = {
    "format": "form", "id": "message.sid", "sign": "X-Our-Signature", "find": "find?ref={reference}",
    "fields": {"to": "To", "text": "Body", "sender": "From", "reference": "ClientRef"},
    "callback": {"status": "MessageStatus", "reference": "ClientRef", "from": "From", "text": "Body"},
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    def taken(handler: Any) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        plain(handler, 201, b'{"id": "T-1", "message": {"sid": "T-2"}}')

    made.answer = taken
    yield made
    made.httpd.shutdown()
    made.httpd.server_close()


def row(shop: Shop, server: Server | None, **changes: Any) -> Supplier:
    url = server.url if server else "https://sms.example.org"
    values = {
        "adapter": "messaging_sms",
        "base_url": f"{url}/v1/messages",
        "api_key": "k3y",
        "callback_secret": "s3cret",
    }
    return shop.add_supplier(Port.MESSAGING, **{**values, **changes})


def adapter(supplier: Supplier) -> Any:
    """The real one; the shop's doubles stand for other suppliers."""
    return import_module(f"ehrcommerce.suppliers.adapters.{supplier.adapter}").Adapter(
        supplier, chosen.partner_of(supplier)
    )


def message(to: str = PHONE, channel: str = "sms") -> Message:
    return Message("R-1", channel, to, "Your code: 1", "Secure message", "", "Lakeside")


def deliver(supplier: Supplier, **changes: str) -> Any:
    made = adapter(supplier)
    return made.deliver(made.render(message(**changes)), idempotency_key="k")


def test_the_exact_bytes_in_both_forms(shop: Shop) -> None:
    assert adapter(row(shop, None)).render(message()).decode() == (
        '{"to":"+13605550101","text":"Your code: 1","sender":"Lakeside","reference":"R-1"}'
    )
    assert adapter(row(shop, None, options=OTHER_NAMES, sender="70555")).render(message()).decode() == (
        "To=%2B13605550101&Body=Your+code%3A+1&From=70555&ClientRef=R-1"
    )


def test_it_is_signed_and_its_id_is_read_where_the_row_says(shop: Shop, server: Server) -> None:
    heard: list[bytes] = []

    def keep(handler: Any) -> None:
        heard.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        plain(handler, 201, b'{"id": "T-1", "message": {"sid": "T-2"}}')

    server.answer = keep
    assert deliver(row(shop, server)) == Done(reference="T-1")
    assert deliver(row(shop, server, options=OTHER_NAMES)) == Done(reference="T-2")
    headers = server.seen[1][2]
    parts = dict(part.split("=") for part in headers["x-our-signature"].split(","))
    right = hmac.new(b"k3y", f"{parts['t']}.".encode() + heard[1], sha256).hexdigest()
    assert (parts["v1"], headers["idempotency-key"]) == (right, "k")
    assert dict(parse_qsl(heard[1].decode()))["To"] == PHONE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, Refused("refused")), (403, NeedsHuman("not_authorized")), (409, Done()), (429, TryAgain("partner_busy")),
     (500, OutcomeUnknown("partner_failed"))],
)  # fmt: skip
def test_answers_become_outcomes(shop: Shop, server: Server, status: int, outcome: object) -> None:
    server.answer = lambda handler: plain(handler, status, b"{}")
    assert deliver(row(shop, server)) == outcome


def test_a_success_without_an_id_is_a_doubt(shop: Shop, server: Server) -> None:
    server.answer = lambda handler: plain(handler, 200, b'{"ok": true}')
    with pytest.raises(BadAnswer):
        deliver(row(shop, server))


def test_a_gateway_that_cannot_be_asked_says_so(shop: Shop, server: Server) -> None:
    silent, asked = adapter(row(shop, server)), adapter(row(shop, server, options=OTHER_NAMES))
    assert (silent.capability, asked.capability) == (NONE, LOOKUP)
    with pytest.raises(Halt):
        silent.find("R-1")
    for body, found in ((b'{"messages": [{"id": 1}]}', True), (b'{"messages": []}', False), (b"{}", False)):
        server.answer = lambda handler, body=body: plain(handler, 200, body)  # type: ignore[misc]
        assert asked.find("R-1") is found


def told(supplier: Supplier, monkeypatch: pytest.MonkeyPatch, body: dict[str, str], form: bool = False) -> int:
    monkeypatch.setattr(chosen, "adapter_of", adapter)
    content = (
        "&".join(f"{name}={value}" for name, value in body.items()).encode() if form else json.dumps(body).encode()
    )
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    return post(messages.message_callback, supplier, content, **{"Content-Type": kind}).status_code  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["STOP", " Stop. ", "alto", "UNSUBSCRIBE"])
def test_stop_holds_for_this_number_and_everybody_who_sends(
    shop: Shop, server: Server, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    supplier, another = row(shop, server), row(shop, server)
    assert told(supplier, monkeypatch, {"from": "(360) 555-0101", "text": text}) == 200
    assert deliver(another) == Refused("opted_out")
    assert server.seen == []
    assert isinstance(deliver(another, to="+13605550102"), Done)
    assert AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="messages.stopped").count() == 1
    assert PHONE[2:] not in repr(OptOut.objects.values())
    told(supplier, monkeypatch, {"from": PHONE, "text": "start"})
    assert isinstance(deliver(another), Done)


def test_the_sandbox_s_gateway_obeys_a_stop_too(shop: Shop, server: Server) -> None:
    supplier = row(shop, server, adapter="messaging_http")
    optouts.record(supplier=supplier, channel="email", address="Cy@Mail.example ", at=timezone.now())
    assert deliver(supplier, channel="email", to="cy@mail.example") == Refused("opted_out")
    assert isinstance(deliver(supplier), Done)


def test_words_that_are_no_stop(shop: Shop, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    supplier = row(shop, server)
    for text in ("please stop by", "don't stop", "", "STOP" * 40):
        told(supplier, monkeypatch, {"from": PHONE, "text": text})
    assert isinstance(deliver(supplier), Done)


def test_another_organization_is_not_stopped(shop: Shop, server: Server) -> None:
    supplier = row(shop, server)
    optouts.record(supplier=supplier, channel="sms", address=PHONE, at=timezone.now())
    assert not optouts.stands(shop.clinic.pk + 1, "sms", PHONE)


def test_a_bounce_is_told_once_with_the_names_of_the_row(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    supplier, reference = row(shop, None, options=OTHER_NAMES), uuid4()
    heard: list[tuple[UUID, str]] = []

    def hear(sender: Any, reference: UUID, kind: str, at: datetime, **_: Any) -> None:
        heard.append((reference, kind))

    messages.told.connect(hear)
    try:
        for _ in range(2):
            assert (
                told(supplier, monkeypatch, {"MessageStatus": "Undelivered", "ClientRef": str(reference)}, form=True)
                == 200
            )
        told(supplier, monkeypatch, {"MessageStatus": "read", "ClientRef": str(reference)}, form=True)
        told(supplier, monkeypatch, {"MessageStatus": "failed", "ClientRef": "not-ours"}, form=True)
    finally:
        messages.told.disconnect(hear)
    assert heard == [(reference, "failed")]
    assert messages.kinds_of(reference) == {"failed"}


def test_a_forged_stop_stops_nobody(shop: Shop, server: Server) -> None:
    supplier = row(shop, server)
    body = json.dumps({"from": PHONE, "text": "STOP"}).encode()
    for how in ({"secret": "other"}, {"age_s": 400}, {"age_s": 86_400 * 8}):
        assert post(messages.message_callback, supplier, body, **how).status_code == 401
    assert not OptOut.objects.filter(organization_id=shop.clinic.pk).exists()
    assert not MessageNews.objects.filter(organization_id=shop.clinic.pk).exists()


def test_a_text_goes_by_the_gateway_and_an_e_mail_by_the_relay(shop: Shop) -> None:
    at = timezone.now()
    Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING).update(active=False)
    mail = shop.add_supplier(Port.MESSAGING, adapter="messaging_smtp")
    with pytest.raises(NoSupplier):
        chosen.choose(organization_id=shop.clinic.pk, port=Port.MESSAGING, at=at, channel="sms")
    text = row(shop, None)
    for channel, right in (("email", mail), ("sms", text)):
        assert chosen.choose(organization_id=shop.clinic.pk, port=Port.MESSAGING, at=at, channel=channel) == right
