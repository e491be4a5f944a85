"""Writing and reading resources: versions, times, the patient they belong to, and the columns that searches use."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import connection, transaction

from ehrcommerce.sandbox.ehr import fhir_json
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Resource

PATIENT_ELEMENT: Final[dict[str, str]] = {
    "MedicationRequest": "subject",
    "DeviceRequest": "subject",
    "ServiceRequest": "subject",
    "Coverage": "beneficiary",
    "Task": "for",
    "Encounter": "subject",
    "Device": "patient",
}
"""Type -> element that names the patient."""

TYPES: Final = frozenset({*PATIENT_ELEMENT, "Patient", "Medication", "Practitioner", "Organization", "Subscription"})
MANDATORY: Final[dict[str, tuple[str, ...]]] = {
    "MedicationRequest": ("status", "intent", "medication", "subject"),
    "DeviceRequest": ("intent", "code", "subject"),
    "ServiceRequest": ("status", "intent", "subject"),
    "Coverage": ("status", "beneficiary", "payor"),
    "Task": ("status", "intent"),
    "Encounter": ("status", "class"),
    "Subscription": ("status", "reason", "criteria", "channel"),
}


class StaleVersion(Exception):
    """The resource has changed since it was read. Read it again and decide again."""


@dataclass(frozen=True)
class Saved:
    """The row as it is now, and what saving did."""

    row: Resource
    created: bool = False
    changed: bool = False


def has_element(resource: Json, name: str) -> bool:
    """Whether an element is there; `medication` means medication[x]."""
    return any(is_element(key, name) for key in resource)


def is_element(key: str, name: str) -> bool:
    """Whether a key is the element or one of its choices: medicationReference is `medication`."""
    return key == name or (key.startswith(name) and key[len(name) :][:1].isupper())


def patient_of(resource: Json) -> str:
    """The id of the patient a resource belongs to, "" for those that belong to nobody."""
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id", ""))
    element = resource.get(PATIENT_ELEMENT.get(str(resource.get("resourceType")), ""))
    reference = element.get("reference") if isinstance(element, dict) else None
    return patient_id(reference) if isinstance(reference, str) else ""


def patient_id(reference: str) -> str:
    """The id in "Patient/x", with or without a base; "" for another type."""
    parts = reference.split("/_history/")[0].rstrip("/").split("/")
    return parts[-1] if len(parts) > 1 and parts[-2] == "Patient" else ""


def identifiers_of(resource: Json) -> list[str]:
    """`system|value` of each identifier, and `|value` for a search without system."""
    found = resource.get("identifier")
    rows = [row for row in (found if isinstance(found, list) else [found]) if isinstance(row, dict)]
    return sorted({_storable(text) for row in rows if row.get("value") for text in _tokens(row)})


def _tokens(identifier: Json) -> Iterator[str]:
    yield f"{identifier.get('system', '')}|{identifier['value']}"
    yield f"*|{identifier['value']}"


def find(resource_type: str, fhir_id: str) -> Resource | None:
    """The row, also when it is a deleted one."""
    return Resource.objects.filter(type=resource_type, fhir_id=fhir_id).first()


def content(row: Resource) -> Json:
    """The parsed resource."""
    return fhir_json.parse_object(row.text)


def digest(resource: Json) -> str:
    """A digest over everything but version and time."""
    meta = {key: item for key, item in (resource.get("meta") or {}).items() if key not in ("versionId", "lastUpdated")}
    return hashlib.sha256(fhir_json.write({**resource, "meta": meta}).encode()).hexdigest()


Listener = Callable[[Resource, Json, datetime], None]
_listeners: list[Listener] = []


def on_change(listener: Listener) -> None:
    """Call `listener` with each resource that somebody wrote or deleted (`{}` then), in that transaction."""
    _listeners.append(listener)


def _tell(row: Resource, resource: Json, at: datetime) -> None:
    for listener in _listeners:
        listener(row, resource, at)


@transaction.atomic
def save(resource: Json, *, at: datetime, if_version: int | None = None, loaded: bool = False) -> Saved:
    """Write a resource under its own id: a new row, or the next version of the one that is there.

    loaded: comes from a file. A file that says what it said at the last load changes nothing, also when somebody
    has edited the resource since.
    Raises StaleVersion when `if_version` is not the present version.
    """
    row = Resource.objects.select_for_update().filter(type=resource["resourceType"], fhir_id=resource["id"]).first()
    if if_version is not None and (row is None or row.version != if_version):
        raise StaleVersion
    file_digest = digest(resource) if loaded else ""
    if loaded and row is not None and row.loaded_digest == file_digest:
        return Saved(row)
    created = row is None
    row = row or Resource(type=resource["resourceType"], fhir_id=resource["id"], version=0)
    row.loaded_digest = file_digest or row.loaded_digest
    _fill(row, resource, at=at)
    row.save()
    if not loaded:
        _tell(row, resource, at)
    return Saved(row, created=created, changed=True)


def _fill(row: Resource, resource: Json, *, at: datetime) -> None:
    row.version += 1
    row.last_updated = at.replace(microsecond=at.microsecond // 1000 * 1000)
    row.deleted = False
    row.patient = patient_of(resource)
    row.status = _word(resource.get("status"))
    row.intent = _word(resource.get("intent"))
    row.identifiers = identifiers_of(resource)
    row.text = fhir_json.write(_stamped(resource, row)).replace("\0", "")


def _storable(text: str) -> str:
    """What PostgreSQL can keep of it: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _word(value: object) -> str:
    return _storable(value)[:40] if isinstance(value, str) else ""


def _stamped(resource: Json, row: Resource) -> Json:
    before = resource.get("meta")
    meta = {**(before if isinstance(before, dict) else {}), "versionId": str(row.version)}
    meta["lastUpdated"] = instant(row.last_updated)
    head = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta}
    return {**head, **{key: value for key, value in resource.items() if key not in head}}


def instant(at: datetime) -> str:
    """A FHIR instant in milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@transaction.atomic
def delete(resource_type: str, fhir_id: str, *, at: datetime) -> bool:
    """Leave a tombstone; True when there was something."""
    live = Resource.objects.filter(type=resource_type, fhir_id=fhir_id, deleted=False)
    if live.update(deleted=True, last_updated=at) != 1:
        return False
    _tell(Resource.objects.get(type=resource_type, fhir_id=fhir_id), {}, at)
    return True


def set_status(row: Resource, status: str, *, at: datetime) -> None:
    """The server's own word about a resource of its own; nobody is told of it."""
    _fill(row, {**content(row), "status": status}, at=at)
    row.save()


def lock(words: str) -> None:
    """Let only one transaction at a time create a resource under the same condition."""
    key = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
