"""Subscriptions as resources: what a client may ask for, and what becomes of it. Three kinds are understood: the R5
backport (a topic), plain R4 (a search), and the latter as Medplum has it (a secret in an extension)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from ehrcommerce.sandbox.ehr import fhir_store, orders
from ehrcommerce.sandbox.ehr.fhir_errors import NotProcessable
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Message, Resource, Subscriber
from ehrcommerce.sandbox.ehr.surroundings import here

BACKPORT, REST_HOOK, MEDPLUM, ATHENA, WEBHOOK = "r5_backport", "rest_hook", "medplum", "athenahealth", "vendor_webhook"
SCHEMES: Final = (BACKPORT, REST_HOOK, MEDPLUM, ATHENA, WEBHOOK)
ID_ONLY, EMPTY, FULL = "id-only", "empty", "full-resource"
EXTENSIONS: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport"
MEDPLUM_SECRET: Final = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"
TOLD: Final = (*orders.KINDS, "Patient")
HANDSHAKE, HEARTBEAT, EVENT = "handshake", "heartbeat", "event-notification"
LONGEST: Final = timedelta(days=31)


def topic_of_orders() -> str:
    """The topic that has all: orders and the patients they are for."""
    return f"{settings.BASE_URL}/topics/orders"


@dataclass(frozen=True)
class Wish:
    """A Subscription as it was asked for."""

    scheme: str
    endpoint: str
    types: list[str]
    topic: str
    content: str
    headers: list[str]
    secret: str
    heartbeat_s: int
    ends_at: datetime | None


def read(resource: Json) -> Wish:
    """Raises NotProcessable for what is not offered here."""
    channel, criteria = resource.get("channel"), str(resource.get("criteria") or "")
    if not isinstance(channel, dict) or channel.get("type") != "rest-hook":
        raise NotProcessable("Only rest-hook channels are offered.")
    endpoint = str(channel.get("endpoint") or "")
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        raise NotProcessable("The endpoint is an http or https address.")
    secret = str(_extension(resource, MEDPLUM_SECRET) or "")
    content = str(_extension(channel.get("_payload"), f"{EXTENSIONS}-payload-content") or "")
    scheme = BACKPORT if "://" in criteria else MEDPLUM if secret else REST_HOOK
    return Wish(
        scheme=scheme,
        endpoint=endpoint,
        types=_types(criteria),
        topic=criteria,
        content=(content or EMPTY) if scheme == BACKPORT else FULL if channel.get("payload") else EMPTY,
        headers=[str(line) for line in channel.get("header") or []],
        secret=secret,
        heartbeat_s=int(_extension(channel, f"{EXTENSIONS}-heartbeat-period") or 0),
        ends_at=_end(resource.get("end")),
    )


def _extension(holder: Any, url: str) -> Any:
    found = holder.get("extension") if isinstance(holder, dict) else None
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict) and one.get("url") == url:
            return next((value for name, value in one.items() if name.startswith("value")), None)
    return None


def _types(criteria: str) -> list[str]:
    if criteria == topic_of_orders():
        return [*TOLD]
    name = criteria.removeprefix(f"{settings.BASE_URL}/topics/").partition("?")[0]
    if name not in TOLD:
        raise NotProcessable(f"The topic {criteria[:120]!r} is not offered; {topic_of_orders()} is.")
    return [name]


def _end(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError as mistake:
        raise NotProcessable("The end is an instant.") from mistake


def condition(topic: str) -> list[tuple[str, str]]:
    """The parameters of a search that is a criterion: `MedicationRequest?status=active`."""
    return [] if "://" in topic else parse_qsl(topic.partition("?")[2])


# ------------------------------------------------------------------------------------------------- what becomes of it
def written(row: Resource, resource: Json, at: datetime) -> None:
    """A client wrote or deleted a Subscription: `requested` begins or wakes it, `off` ends it."""
    if row.type != "Subscription":
        return
    if row.deleted or resource.get("status") == "off":
        Subscriber.objects.filter(name=row.fhir_id).update(state="off")
        return
    if resource.get("status") != "requested":
        return  # active and error are the server's own words
    wish = read(resource)
    subscriber, _ = Subscriber.objects.update_or_create(
        name=row.fhir_id,
        defaults={
            "profile": here().profile,
            "scheme": wish.scheme,
            "endpoint": wish.endpoint,
            "headers": wish.headers,
            "secret": wish.secret,
            "content": wish.content,
            "types": wish.types,
            "topic": wish.topic,
            "heartbeat_s": wish.heartbeat_s,
            "ends_at": min(wish.ends_at or at + LONGEST, at + LONGEST),
            "state": "requested",
            "heartbeat_at": None,
        },
    )
    begin(subscriber, at=at)


def begin(subscriber: Subscriber, *, at: datetime) -> None:
    """The backport shakes hands first; the others are told from now on."""
    if subscriber.scheme == BACKPORT:
        Message.objects.create(subscriber=subscriber, kind=HANDSHAKE, at=at, next_try_at=at)
    else:
        set_state(subscriber, "active", at=at)


def set_state(subscriber: Subscriber, state: str, *, at: datetime) -> None:
    """In the row, and in the resource that clients read."""
    subscriber.state = state
    if state == "active" and subscriber.heartbeat_s:
        subscriber.heartbeat_at = at + timedelta(seconds=subscriber.heartbeat_s)
    subscriber.save(update_fields=["state", "heartbeat_at"])
    row = Resource.objects.select_for_update().filter(type="Subscription", fhir_id=subscriber.name).first()
    if row is not None and not row.deleted:
        fhir_store.set_status(row, state, at=at)
