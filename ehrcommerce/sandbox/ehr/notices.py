"""The bytes of a notification, as each kind of EHR writes and signs them."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store, subscribing
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Message, Subscriber
from ehrcommerce.sandbox.ehr.subscribing import ATHENA, BACKPORT, EVENT, FULL, ID_ONLY, MEDPLUM, REST_HOOK, WEBHOOK
from ehrcommerce.sandbox.ehr.surroundings import Surroundings
from ehrcommerce.sandbox.journal.strangers import stranger_origin

FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Notice:
    """One request that is ready to be sent."""

    url: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def of(message: Message, around: Surroundings, *, at: datetime) -> Notice:
    """The request for one message."""
    made = _MAKERS[message.subscriber.scheme](message, around, at)
    return _proved(message, made, around, at)


# ------------------------------------------------------------------------------------------------------- FHIR Bundles
def _bundle_notice(message: Message, around: Surroundings, at: datetime) -> Notice:
    events = [message] if message.kind == EVENT else []
    body = fhir_json.write(bundle(message.subscriber, message.kind, events, around, at=at))
    return Notice(message.subscriber.endpoint, body.encode(), {"Content-Type": FHIR_JSON})


def bundle(
    subscriber: Subscriber,
    kind: str,
    events: Iterable[Message],
    around: Surroundings,
    *,
    at: datetime,
    content: str = "",
) -> Json:
    """A notification of the R5 backport on R4: Parameters first, then what was asked for."""
    events = list(events)
    content = content or subscriber.content
    first = {
        "fullUrl": f"urn:uuid:{uuid4()}",
        "resource": {"resourceType": "Parameters", "parameter": _parameters(subscriber, kind, events, around, content)},
        "request": {"method": "GET", "url": f"{around.fhir_base}/Subscription/{subscriber.name}/$status"},
        "response": {"status": "200"},
    }
    entries = [first]
    for event in events if content in (ID_ONLY, FULL) else []:
        entries.append(_entry(event, around, content))
    return {
        "resourceType": "Bundle",
        "id": str(uuid4()),
        "type": "history",
        "timestamp": fhir_store.instant(at),
        "entry": entries,
    }


def _entry(event: Message, around: Surroundings, content: str) -> Json:
    request = {"method": "DELETE" if event.deleted else "PUT", "url": event.focus}
    entry: Json = {"fullUrl": _address(event, around), "request": request, "response": {"status": "200"}}
    if content == FULL and event.text:
        entry["resource"] = fhir_json.parse_object(event.text)
    return entry


def _address(event: Message, around: Surroundings) -> str:
    base = around.fhir_base if around.knobs["events_focus"] == "right" else f"{stranger_origin()}/fhir"
    return f"{base}/{event.focus}"


def _parameters(
    subscriber: Subscriber, kind: str, events: list[Message], around: Surroundings, content: str
) -> list[Json]:
    name = subscriber.name if around.knobs["events_subscription"] == "right" else "of-somebody-else"
    began = int(around.knobs["events_count_from"])
    return [
        {"name": "subscription", "valueReference": {"reference": f"{around.fhir_base}/Subscription/{name}"}},
        {"name": "topic", "valueCanonical": subscriber.topic},
        {"name": "status", "valueCode": "requested" if kind == subscribing.HANDSHAKE else subscriber.state},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(began + _counted(subscriber, events))},
        *(_event(event, around, content, began) for event in events),
    ]


def _counted(subscriber: Subscriber, events: list[Message]) -> int:
    return max((event.number or 0 for event in events), default=subscriber.number)


def _event(event: Message, around: Surroundings, content: str, began: int) -> Json:
    part: list[Json] = [
        {"name": "event-number", "valueString": str(began + (event.number or 0))},
        {"name": "timestamp", "valueInstant": fhir_store.instant(event.at)},
    ]
    if content in (ID_ONLY, FULL):
        part.append({"name": "focus", "valueReference": {"reference": _address(event, around)}})
    return {"name": "notification-event", "part": part}


def status(subscriber: Subscriber, around: Surroundings, *, at: datetime) -> Json:
    """The answer of `$status`."""
    parameters = {"resourceType": "Parameters", "parameter": _parameters(subscriber, "query-status", [], around, "")}
    entry = {"fullUrl": f"urn:uuid:{uuid4()}", "resource": parameters, "search": {"mode": "match"}}
    return {
        "resourceType": "Bundle",
        "id": str(uuid4()),
        "type": "searchset",
        "timestamp": fhir_store.instant(at),
        "total": 1,
        "entry": [entry],
    }


# ----------------------------------------------------------------------------------------- plain R4, Medplum, webhooks
def _rest_hook(message: Message, around: Surroundings, at: datetime) -> Notice:
    """Without a payload an empty POST, with one a PUT of the resource below the endpoint."""
    subscriber = message.subscriber
    if subscriber.content != FULL or not message.text:
        return Notice(subscriber.endpoint)
    address = f"{subscriber.endpoint.rstrip('/')}/{message.focus}"
    return Notice(address, message.text.encode(), {"Content-Type": FHIR_JSON}, "PUT")


def _medplum(message: Message, around: Surroundings, at: datetime) -> Notice:
    """The whole resource; a delete has `{}` and says in a header, which nobody signs, what was deleted."""
    headers = {"Content-Type": FHIR_JSON, "X-Medplum-Subscription": message.subscriber.name}
    headers["X-Medplum-Interaction"] = "delete" if message.deleted else "create" if message.version == 1 else "update"
    if message.deleted:
        headers["X-Medplum-Deleted-Resource"] = message.focus
    return Notice(message.subscriber.endpoint, (message.text or "{}").encode(), headers)


def _webhook(message: Message, around: Surroundings, at: datetime) -> Notice:
    event = {
        "focus": _address(message, around),
        "version": str(message.version),
        "number": str(int(around.knobs["events_count_from"]) + (message.number or 0)),
        "timestamp": fhir_store.instant(message.at),
    }
    body = fhir_json.write({"events": [event]}).encode()
    return Notice(message.subscriber.endpoint, body, {"Content-Type": "application/json"})


_MAKERS: dict[str, Any] = {
    BACKPORT: _bundle_notice,
    ATHENA: _bundle_notice,
    REST_HOOK: _rest_hook,
    MEDPLUM: _medplum,
    WEBHOOK: _webhook,
}


# ---------------------------------------------------------------------------------------------------------- the proof
def _proved(message: Message, notice: Notice, around: Surroundings, at: datetime) -> Notice:
    if (manner := around.knobs["events_proof"]) == "absent":
        return notice
    proof = _proof(message, notice.body, at)
    if manner == "wrong":
        proof = {name: f"{value[:-1]}{'0' if value[-1:] != '0' else '1'}" for name, value in proof.items()}
    return Notice(notice.url, notice.body, {**notice.headers, **proof}, notice.method)


def _proof(message: Message, body: bytes, at: datetime) -> dict[str, str]:
    subscriber = message.subscriber
    match subscriber.scheme:
        case "medplum":
            return {"X-Signature": _hex(subscriber.secret, body)}
        case "athenahealth":
            return {"X-Hub-Signature": f"sha256={_hex(subscriber.secret, body)}"}
        case "vendor_webhook":
            event, moment = f"evt-{message.pk}", str(int(at.timestamp()))
            signed = f"{event}.{moment}.".encode() + body
            return {
                "X-Event-Id": event,
                "X-Timestamp": moment,
                "X-Signature": f"v1={_hex(subscriber.secret, signed)}",
            }
    pairs = [line.partition(":") for line in subscriber.headers]
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
