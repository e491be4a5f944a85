"""The way back from an opaque key to the resource in the chart. A row exists only for what was sent to a patient."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import ChartReference, EhrConnection

Seen = tuple[str, str, str]


def remember(
    *, organization_id: int, connection: EhrConnection, access: FhirAccess, keys: Iterable[str], at: datetime
) -> list[ChartReference]:
    """Keep what these keys stand for, and the patient's own key with them. Keys that the door has not seen in this
    reading are left out: nothing is remembered that was not read just now."""
    patient = {access.customer_key: ("Patient", access.patient_id, "")}
    known = {key: access.seen[key] for key in keys if key in access.seen}
    with transaction.atomic():
        return [
            _keep(organization_id, connection, access.patient_id, key, found, at)
            for key, found in sorted({**patient, **known}.items())
        ]


def _keep(
    organization_id: int, connection: EhrConnection, patient_id: str, key: str, found: Seen, at: datetime
) -> ChartReference:
    resource_type, resource_id, version = found
    row, new = ChartReference.objects.get_or_create(
        organization_id=organization_id, key=key,
        defaults={
            "connection": connection, "resource_type": resource_type, "resource_id": resource_id,
            "patient_id": patient_id, "version": version, "created_at": at,
        },
    )  # fmt: skip
    if not new and row.version != version:
        row.version = version
        row.save(update_fields=["version"])
    return row


def find(*, organization_id: int, keys: Iterable[str]) -> dict[str, ChartReference]:
    """Key to row, for those that are remembered; with the connection of each."""
    rows = ChartReference.objects.filter(organization_id=organization_id, key__in=list(keys))
    return {row.key: row for row in rows.select_related("connection__organization")}


def patient_key(connection: EhrConnection, patient_id: str) -> str:
    """The patient's own opaque key."""
    return chart_key(connection.public_id, "Patient", patient_id)
