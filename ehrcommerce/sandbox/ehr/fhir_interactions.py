"""The interactions of the FHIR server on plain values, so that a request and an entry of a batch take the same way."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import uuid4

from django.db import transaction
from django.utils.http import http_date

from ehrcommerce.sandbox.ehr import fhir_json, fhir_search, fhir_store, notices
from ehrcommerce.sandbox.ehr.fhir_access import Access
from ehrcommerce.sandbox.ehr.fhir_errors import (
    FhirRefusal,
    Gone,
    NotAllowed,
    NotFound,
    NotPermitted,
    NotProcessable,
    SeveralMatches,
    WrongVersion,
)
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource, Subscriber
from ehrcommerce.sandbox.ehr.surroundings import here

FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
VERSION: Final = re.compile(r'(?:W/)?"?(\d{1,9})"?')


@dataclass(frozen=True)
class Ask:
    """One interaction: where, how, with which headers (`If-Match`, `If-None-Exist`, `Prefer`) and body."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None

    @property
    def params(self) -> fhir_search.Params:
        """The parameters of the query."""
        return parse_qsl(self.query.replace("%00", ""), keep_blank_values=True)


@dataclass(frozen=True)
class Reply:
    """Status, body text ("" for none) and headers."""

    status: int
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def perform(ask: Ask, access: Access, knobs: dict[str, Any], *, at: datetime) -> Reply:
    """Do one interaction. Raises FhirRefusal."""
    parts = ask.path.strip("/").split("/")
    if parts[0] not in fhir_store.TYPES or "\0" in ask.path:
        raise NotFound(f"The type {parts[0][:40]!r} is not served here.")
    strict = "handling=strict" in ask.headers.get("Prefer", "")
    match ask.method, parts:
        case ("GET", [kind]):
            return Reply(200, fhir_search.search(kind, ask.params, access, knobs, strict=strict))
        case ("POST", [kind, "_search"]):
            return Reply(200, fhir_search.search(kind, ask.params, access, knobs, strict=strict))
        case ("GET", [kind, fhir_id]):
            return _read(kind, fhir_id, access)
        case ("GET", [kind, fhir_id, "_history", version]):
            return _vread(kind, fhir_id, version, access)
        case ("GET", ["Subscription", fhir_id, operation]) if operation in ("$status", "$events"):
            return _operation(fhir_id, operation, ask, access, at=at)
        case ("POST", [kind]):
            return _create(kind, ask, access, at=at)
        case ("PUT", [kind, fhir_id]):
            return _update(kind, fhir_id, ask, access, at=at)
    raise NotAllowed("This interaction is not offered.")


def _found(kind: str, fhir_id: str, access: Access, letter: str) -> Resource:
    limit = access.limit(kind, letter, fhir_id=fhir_id)
    row = fhir_store.find(kind, fhir_id)
    if row is None:
        raise NotFound(f"There is no {kind} with this id.")
    if limit and row.patient != limit:
        raise NotPermitted(f"This {kind} does not belong to the patient of the token.")
    if row.deleted:
        raise Gone(f"This {kind} was deleted.")
    return row


def _read(kind: str, fhir_id: str, access: Access) -> Reply:
    row = _found(kind, fhir_id, access, "r")
    return Reply(200, row.text, _version_headers(row))


def _vread(kind: str, fhir_id: str, version: str, access: Access) -> Reply:
    row = _found(kind, fhir_id, access, "r")
    if version != str(row.version):
        raise NotFound("Older versions are not kept.")
    return Reply(200, row.text, _version_headers(row))


def _operation(fhir_id: str, operation: str, ask: Ask, access: Access, *, at: datetime) -> Reply:
    """How a subscription stands, or what it told between two numbers."""
    row = _found("Subscription", fhir_id, access, "r")
    around, asked = here(), dict(ask.params)
    subscriber = Subscriber.objects.filter(name=row.fhir_id).first()
    if around.knobs[f"{operation[1:]}_operation"] == "refuse" or subscriber is None:
        raise NotAllowed(f"{operation} is not offered.")
    if operation == "$status":
        return Reply(200, fhir_json.write(notices.status(subscriber, around, at=at)))
    began = int(around.knobs["events_count_from"])
    numbers = [asked.get(name, "") for name in ("eventsSinceNumber", "eventsUntilNumber")]
    if not all(text == "" or text.isdecimal() for text in numbers):
        raise FhirRefusal("eventsSinceNumber and eventsUntilNumber are whole numbers.")
    low, high = (int(numbers[0] or 0) - began, int(numbers[1] or began + subscriber.number) - began)
    most = subscriber.number
    events = subscriber.messages.filter(number__gte=min(max(low, 0), most + 1), number__lte=max(min(high, most), 0))
    told = notices.bundle(subscriber, "query-event", events.order_by("number"), around, at=at)
    return Reply(200, fhir_json.write(told))


def _version_headers(row: Resource) -> dict[str, str]:
    return {"ETag": row.etag, "Last-Modified": http_date(row.last_updated.timestamp())}


def _checked(kind: str, ask: Ask) -> Json:
    resource = ask.body
    if resource is None or resource.get("resourceType") != kind:
        raise FhirRefusal(f"The body is a {kind}.")
    missing = [name for name in fhir_store.MANDATORY.get(kind, ()) if not fhir_store.has_element(resource, name)]
    if missing:
        raise NotProcessable(f"{kind} lacks {', '.join(missing)}.")
    return resource


def _within(limit: str, resource: Json) -> None:
    if limit and fhir_store.patient_of(resource) != limit:
        raise NotPermitted("The resource does not belong to the patient of the token.")


@transaction.atomic
def _create(kind: str, ask: Ask, access: Access, *, at: datetime) -> Reply:
    limit = access.limit(kind, "c")
    resource = _checked(kind, ask)
    _within(limit, resource)
    condition = ask.headers.get("If-None-Exist", "").lstrip("?")
    if condition and here().knobs["if_none_exist"] == "refuse":
        raise FhirRefusal("Conditional create is not offered.")
    if condition and here().knobs["if_none_exist"] == "honor" and (row := _existing(kind, condition, limit)):
        return _written(row, 200, ask)
    row = fhir_store.save({**resource, "id": str(uuid4())}, at=at).row
    return _written(row, 201, ask)


def _existing(kind: str, condition: str, limit: str) -> Resource | None:
    fhir_store.lock(f"{kind}?{condition}")
    query = fhir_search.Query.read(kind, parse_qsl(condition), strict=True)
    rows = query.rows.filter(patient=limit) if limit else query.rows
    found = list(rows[:2])
    if len(found) > 1:
        raise SeveralMatches("The condition fits several resources.")
    return found[0] if found else None


def _update(kind: str, fhir_id: str, ask: Ask, access: Access, *, at: datetime) -> Reply:
    limit = access.limit(kind, "u")
    resource = _checked(kind, ask)
    if resource.get("id") != fhir_id or not FHIR_ID.fullmatch(fhir_id):
        raise FhirRefusal("The id in the body is the id in the address.")
    _within(limit, resource)
    before = fhir_store.find(kind, fhir_id)
    if before is not None and limit and before.patient != limit:
        raise NotPermitted(f"This {kind} does not belong to the patient of the token.")
    try:
        saved = fhir_store.save(resource, at=at, if_version=_if_version(ask))
    except fhir_store.StaleVersion as stale:
        raise WrongVersion("If-Match names another version than the present one.") from stale
    return _written(saved.row, 201 if saved.created else 200, ask)


def _if_version(ask: Ask) -> int | None:
    text = ask.headers.get("If-Match", "").strip()
    if not text:
        return None
    match = VERSION.fullmatch(text)
    if not match:
        raise FhirRefusal('If-Match is written W/"version".')
    return int(match[1])


def _written(row: Resource, status: int, ask: Ask) -> Reply:
    location = f"{here().fhir_base}/{row.reference}/_history/{row.version}"
    headers = {**_version_headers(row), "Location": location}
    text = "" if "return=minimal" in ask.headers.get("Prefer", "") else row.text
    return Reply(status, text, headers)


def refused(refusal: FhirRefusal) -> Reply:
    """The reply that carries the OperationOutcome."""
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = f'Bearer realm="fhir", error="invalid_token", error_description="{refusal.text}"'
    return Reply(refusal.status, fhir_json.write(refusal.outcome()), headers)
