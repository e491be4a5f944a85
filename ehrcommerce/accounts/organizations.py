"""Making an organization. Its row is behind its own wall, so its id is drawn first and the wall entered with it."""

from typing import Any
from uuid import UUID

from django.db import connection

from ehrcommerce.accounts.models import Organization
from ehrcommerce.vault import walls


def create_organization(**fields: Any) -> Organization:
    """A new organization; its walls stay entered afterwards, so that what belongs to it can be made at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('accounts_organization', 'id'))")
        organization_id = int(cursor.fetchone()[0])
    walls.enter(organization_id)
    return Organization.objects.create(pk=organization_id, **fields)


def named(public_id: UUID) -> int | None:
    """The organization of this public id, before anybody is known."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organization_named(%s)", [public_id])
        row = cursor.fetchone()
    return int(row[0]) if row else None


def organization_ids() -> list[int]:
    """All of them, by the one function that looks over the walls for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        return [int(row[0]) for row in cursor.fetchall()]
