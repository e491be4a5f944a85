"""How each EHR proves that a notification is its own, and where in it the few words stand that we keep: which event,
which resource, which version, when. Everything else of a body is dropped unread; nothing of it is an instruction."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ehrcommerce.ehr.models import Scheme, Subscription
from ehrcommerce.wire.errors import BadAnswer
from ehrcommerce.wire.fhir import read_json

Json = Mapping[str, Any]
WINDOW_S = 300
HANDSHAKE, HEARTBEAT, EVENT, ANSWER = "handshake", "heartbeat", "event-notification", "query-event"
# Answers to questions of ours never come by themselves; whoever sends one is answered, and it is dropped.
_KINDS = (HANDSHAKE, HEARTBEAT, EVENT, "query-status", "query-event")
_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,31})/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,39}")
_WORD = re.compile(r"[\x21-\x7e]{1,128}")


class NotTheirs(Exception):
    """The sender of this notification is not proved. Compare the secret with the one that the EHR was given."""


class NotUnderstood(Exception):
    """This is no notification of the agreed kind. Compare the subscription's scheme with what the EHR sends."""


class OtherSubscription(NotUnderstood):
    """The notification names another subscription than the one this address belongs to."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at this resource. `event` tells two events apart; empty words were not given."""

    resource_type: str
    resource_id: str
    event: str = ""
    number: str = ""
    version: str = ""
    version_at: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One notification. `look`: something happened that it does not name. `numbers`: of all its events, also of those
    that were dropped."""

    kind: str
    hints: tuple[Hint, ...] = ()
    numbers: tuple[str, ...] = ()
    dropped: int = 0
    look: bool = False
    in_error: bool = False
    newest_at: datetime | None = None


def require_theirs(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> None:
    """Over the raw bytes, before anything is parsed, in constant time, with both living secrets. Raises NotTheirs. Only
    where a client certificate proved the sender (the caller's task) may there be no secret."""
    secrets = [secret for secret in (row.secret, row.previous_secret) if secret]
    if not secrets and row.client_certificates:
        return
    expect, given = _PROOFS[Scheme(row.scheme)](row, headers, body, at)
    equal = [hmac.compare_digest(expect(secret).encode(), given.encode("utf-8", "replace")) for secret in secrets]
    if not any(equal):
        raise NotTheirs


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


Proof = tuple[Callable[[str], str], str]


def _by_header(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> Proof:
    return lambda secret: secret, headers.get(row.header_name, "")


def _by_medplum(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> Proof:
    return lambda secret: _hex(secret, body), headers.get("X-Signature", "")


def _by_websub(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> Proof:
    return lambda secret: f"sha256={_hex(secret, body)}", headers.get("X-Hub-Signature", "")


def _by_webhook(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> Proof:
    event_id, moment = headers.get("X-Event-Id", ""), headers.get("X-Timestamp", "")
    sound = _WORD.fullmatch(event_id) and moment.isascii() and moment.isdigit() and len(moment) <= 11
    if not sound or abs(int(at.timestamp()) - int(moment)) > WINDOW_S:
        raise NotTheirs
    signed = f"{event_id}.{moment}.".encode() + body
    return lambda secret: f"v1={_hex(secret, signed)}", headers.get("X-Signature", "")


def _by_nothing(row: Subscription, headers: Mapping[str, str], body: bytes, at: datetime) -> Proof:
    """HL7 v2 comes by another way (feeds.py); nobody is let in here."""
    raise NotTheirs


_PROOFS: dict[Scheme, Callable[[Subscription, Mapping[str, str], bytes, datetime], Proof]] = {
    Scheme.BACKPORT: _by_header, Scheme.REST_HOOK: _by_header, Scheme.MEDPLUM: _by_medplum,
    Scheme.ATHENA: _by_websub, Scheme.WEBHOOK: _by_webhook, Scheme.HL7: _by_nothing,
}  # fmt: skip


def read(row: Subscription, headers: Mapping[str, str], body: bytes, *, put_at: str = "") -> Heard:
    """What a proved notification says. `put_at`: the `Type/id` that R4 writes behind the address. Raises NotUnderstood,
    OtherSubscription."""
    if row.scheme == Scheme.REST_HOOK and not body and not put_at:
        return Heard(EVENT, look=True)
    if put_at and row.scheme != Scheme.REST_HOOK:
        raise NotUnderstood
    if row.scheme == Scheme.REST_HOOK:
        return _of_rest_hook(row, body, put_at)
    found = _json(body)
    if row.scheme == Scheme.MEDPLUM:
        return _of_medplum(row, headers, found)
    if row.scheme == Scheme.WEBHOOK:
        return _of_webhook(row, headers, found)
    return _of_bundle(row, found)


# ------------------------------------------------------------------------------------------- FHIR, R5 backport and WebSub
def _of_bundle(row: Subscription, bundle: Json) -> Heard:
    """R4: Parameters come first; R4B and R5: a SubscriptionStatus. Resources beside them are not looked at."""
    entries = _objects(bundle.get("entry"))
    first = entries[0].get("resource") if entries else None
    if bundle.get("resourceType") != "Bundle" or not isinstance(first, Mapping):
        raise NotUnderstood
    if bundle.get("type") not in ("history", "subscription-notification"):
        raise NotUnderstood
    status = _of_parameters(first) if first.get("resourceType") == "Parameters" else dict(first)
    if first.get("resourceType") not in ("Parameters", "SubscriptionStatus"):
        raise NotUnderstood
    kind = _text(status.get("type"))
    if kind not in _KINDS:
        raise NotUnderstood
    _require_ours(row, status)
    events = _objects(status.get("notificationEvent")) if kind in (EVENT, ANSWER) else []
    heard = _heard(row, [_event(event) for event in events])
    numbers = heard.numbers or tuple(filter(None, [_number(status.get("eventsSinceSubscriptionStart"))]))
    return Heard(
        kind, heard.hints, numbers if kind in (EVENT, ANSWER) else (), heard.dropped,
        look=kind == EVENT and (not events or any("focus" not in event for event in events)),
        in_error=_text(status.get("status")) in ("error", "off") or bool(status.get("error")), newest_at=heard.newest_at,
    )  # fmt: skip


def read_status(row: Subscription, body: bytes) -> Heard:
    """The answer of `$status`: a searchset with one word about our subscription. Raises NotUnderstood."""
    bundle = _json(body)
    entries = _objects(bundle.get("entry"))
    first = entries[0].get("resource") if entries else None
    if bundle.get("resourceType") != "Bundle" or not isinstance(first, Mapping):
        raise NotUnderstood
    status = _of_parameters(first) if first.get("resourceType") == "Parameters" else dict(first)
    _require_ours(row, status)
    numbers = tuple(filter(None, [_number(status.get("eventsSinceSubscriptionStart"))]))
    return Heard(ANSWER, numbers=numbers, in_error=_text(status.get("status")) in ("error", "off") or bool(status.get("error")))


def _require_ours(row: Subscription, status: Json) -> None:
    """S7. A subscription whose name at the EHR we do not know yet is not compared."""
    named = _reference(status.get("subscription"))
    ours = row.reference.removeprefix(f"{_base(row)}/")
    if ours and named.removeprefix(f"{_base(row)}/") != ours:
        raise OtherSubscription


_NAMES = {
    "subscription": "subscription", "type": "type", "status": "status", "error": "error", "topic": "topic",
    "events-since-subscription-start": "eventsSinceSubscriptionStart",
    "event-number": "eventNumber", "timestamp": "timestamp", "focus": "focus",
}  # fmt: skip


def _of_parameters(parameters: Json) -> dict[str, Any]:
    """Parameters by the names that SubscriptionStatus has for the same (S6)."""
    found: dict[str, Any] = {}
    for one in _objects(parameters.get("parameter")):
        if one.get("name") == "notification-event":
            event = {
                _NAMES[name]: _value(part) for part in _objects(one.get("part")) if (name := part.get("name")) in _NAMES
            }
            found.setdefault("notificationEvent", []).append({**event, "id": one.get("id")})
        elif one.get("name") in _NAMES:
            found[_NAMES[one["name"]]] = _value(one)
    return found


def _value(parameter: Json) -> Any:
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


def _event(event: Json) -> dict[str, str]:
    focus = {"focus": _reference(event["focus"])} if event.get("focus") is not None else {}
    return {
        **focus, "number": _number(event.get("eventNumber")), "at": _text(event.get("timestamp")),
        "event": _word(event.get("id")),
    }  # fmt: skip


# ----------------------------------------------------------------------------------------- plain R4, Medplum and webhooks
def _of_rest_hook(row: Subscription, body: bytes, put_at: str) -> Heard:
    """With payload the whole resource comes, by PUT behind our address or by POST to it. Type, id and version are kept of
    it; behind an address it has to be the one that is named there. A POST of anything else says that something changed."""
    try:
        resource = _json(body)
    except NotUnderstood:
        resource = {}
    named = f"{_text(resource.get('resourceType'))}/{_text(resource.get('id'))}"
    if put_at and named != put_at:
        raise NotUnderstood
    if not put_at and _LOCAL.fullmatch(named) is None:
        return Heard(EVENT, look=True)
    return _heard(row, [_of_resource(resource, named)])


def _json(body: bytes) -> Json:
    try:
        return read_json(body, "a notification")
    except BadAnswer as problem:
        raise NotUnderstood from problem


def _of_resource(resource: Json, named: str) -> dict[str, str]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    version_at = _text(meta.get("lastUpdated"))
    return {"focus": named, "version": _word(meta.get("versionId")), "version_at": version_at, "at": version_at}


def _of_medplum(row: Subscription, headers: Mapping[str, str], resource: Json) -> Heard:
    """The whole resource comes, of which type, id and version are kept. A delete has an empty body, so that its
    signature is that of any other delete: its header is a hint to look, like everything."""
    named = f"{_text(resource.get('resourceType'))}/{_text(resource.get('id'))}"
    if not resource:
        named = headers.get("X-Medplum-Deleted-Resource", "")
    return _heard(row, [_of_resource(resource, named)])


def _of_webhook(row: Subscription, headers: Mapping[str, str], body: Json) -> Heard:
    """`{"events": [{"focus", "version", "lastUpdated", "number", "timestamp"}]}`, or one such object."""
    events = _objects(body.get("events")) if "events" in body else [body]
    event_id = headers.get("X-Event-Id", "")
    return _heard(row, [
        {
            "focus": _text(one.get("focus")), "version": _word(one.get("version")), "event": f"{event_id}.{place}",
            "version_at": _text(one.get("lastUpdated")), "number": _number(one.get("number")),
            "at": _text(one.get("timestamp")),
        }
        for place, one in enumerate(events)
    ])  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- small parts
def _heard(row: Subscription, events: Iterable[Mapping[str, str]]) -> Heard:
    """S16: of each event type and id, if it is of a type of this subscription and of this EHR; the address is ours."""
    hints, numbers, dropped, base = [], [], 0, _base(row)
    moments = []
    for event in events:
        if event.get("number"):
            numbers.append(event["number"])
        at = instant(event.get("at", ""))
        moments += [at] if at else []
        if "focus" not in event:
            continue
        found = _LOCAL.fullmatch(event["focus"].removeprefix(f"{base}/"))
        if found is None or found[1] not in row.types or set(found[2]) == {"."}:
            dropped += 1
            continue
        hints.append(Hint(
            found[1], found[2], event=event.get("event", ""), number=event.get("number", ""),
            version=event.get("version", "") or found[3] or "", version_at=instant(event.get("version_at", "")), at=at,
        ))  # fmt: skip
    return Heard(EVENT, tuple(hints), tuple(numbers), dropped, newest_at=max(moments, default=None))


def instant(text: str) -> datetime | None:
    """A FHIR instant; None for anything without a zone, or that is none."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _base(row: Subscription) -> str:
    return row.connection.fhir_base.rstrip("/")


def _reference(value: Any) -> str:
    return _text(value.get("reference")) if isinstance(value, Mapping) else _text(value)


def _number(value: Any) -> str:
    """Event numbers are 64 bits or more, and come as text or as numbers: kept as text, compared as whole numbers."""
    text = _text(value)
    return text if _NUMBER.fullmatch(text) else ""


def _text(value: Any) -> str:
    return str(value).strip()[:512] if isinstance(value, str) else ""


def _word(value: Any) -> str:
    text = _text(value)
    return text[:64] if _WORD.fullmatch(text) else ""


def _objects(value: Any) -> list[Json]:
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []
