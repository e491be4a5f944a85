"""The EHR as a client of CDS Hooks 2.0: before an order is signed it asks the service that the knob `cds_base` names, with a
call that it signs, and shows the cards. What does not come within the time, or is no card, is not shown."""

import json
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.utils import timezone
from joserfc import jwt

from ehrcommerce.sandbox.ehr import fhir_store
from ehrcommerce.sandbox.ehr.fhir_json import Json, write
from ehrcommerce.sandbox.ehr.models import Client, EhrUser, Resource, SigningKey
from ehrcommerce.sandbox.ehr.reading_words import rows_of
from ehrcommerce.sandbox.ehr.seeding import DEMO_CLIENT
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.recording import record
from ehrcommerce.sandbox.sending import send

HOOK: Final = "order-sign"
LIFE_S: Final = 300
LARGEST: Final = 100_000


@dataclass(frozen=True)
class Card:
    """What is shown of a card; `context` goes along where its link opens the app."""

    summary: str
    detail: str
    source: str
    label: str
    context: str


def base() -> str:
    """The address of the services that are asked, "" for none."""
    return str(here().knobs["cds_base"]).rstrip("/")


def cards(row: Resource, *, by: EhrUser) -> list[Card]:
    """Ask `order-sign` about one draft."""
    if not base():
        return []
    url = f"{base()}/cds-services/{HOOK}"
    body = write(_call(row, by)).encode()
    started = timezone.now()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_token(url)}"}
    reply = send(url, body, headers, most=LARGEST)
    record(
        partner="ehr-cds",
        method="POST",
        path=urlsplit(url).path,
        headers=headers,
        body=body,
        status=reply.status,
        answer=reply.body,
        started=started.timestamp(),
    )
    return _cards(reply.body) if reply.taken else []


def _call(row: Resource, by: EhrUser) -> Json:
    entry = [{"resource": fhir_store.content(row)}]
    drafts = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    context = {"userId": by.fhir_user, "patientId": row.patient, "draftOrders": drafts}
    return {"hook": HOOK, "hookInstance": str(uuid4()), "fhirServer": here().fhir_base, "context": context}


def _token(url: str) -> str:
    """ES384 by a key of our own list, for this address alone."""
    key, now = SigningKey.of("P-384", int(here().knobs["key_generation"])), int(time.time())
    header = {"alg": "ES384", "typ": "JWT", "kid": str(key.kid), "jku": f"{here().auth}/jwks"}
    claims = {"iss": str(settings.BASE_URL), "aud": url, "iat": now, "exp": now + LIFE_S, "jti": str(uuid4())}
    return str(jwt.encode(header, claims, key, algorithms=["ES384"]))


def _cards(text: str) -> list[Card]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [
        _card(one) for one in rows_of(found.get("cards") if isinstance(found, dict) else None) if one.get("summary")
    ]


def _card(card: Json) -> Card:
    """A link to anything but the registered app is not offered."""
    launches = Client.objects.filter(client_id=DEMO_CLIENT).values_list("launch_url", flat=True)
    links = [one for one in rows_of(card.get("links")) if one.get("type") == "smart" and one.get("url") in launches]
    link: dict[str, Any] = links[0] if links else {}
    source = card.get("source")
    return Card(
        summary=str(card["summary"]),
        detail=str(card.get("detail") or ""),
        source=str(source.get("label") or "") if isinstance(source, dict) else "",
        label=str(link.get("label") or ""),
        context=str(link.get("appContext") or ""),
    )
