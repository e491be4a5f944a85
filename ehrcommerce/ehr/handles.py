"""Opaque names of resources: what commerce gets in place of an id."""

from collections.abc import Callable
from uuid import UUID

from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault.keys import blind_index


def chart_key(connection_public_id: UUID, resource_type: str, resource_id: str) -> str:
    """The same at every look, different at every connection, useless elsewhere."""
    return blind_index(f"chart.{connection_public_id}", f"{resource_type}/{resource_id}").hex()


def key_maker(connection: EhrConnection) -> Callable[[str, str], str]:
    """`chart_key` of one connection."""
    public_id = connection.public_id
    return lambda resource_type, resource_id: chart_key(public_id, resource_type, resource_id)
