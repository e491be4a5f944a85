"""Parcels from before there was a blind index get theirs, a few at a time, by the clock."""

from datetime import datetime

from django.db.models import F, Func, IntegerField

from ehrcommerce.commerce.fulfillment.models import Shipment, tracking_digest
from ehrcommerce.vault.keys import VaultError

BATCH = 200


def fill_digests(organization_id: int, at: datetime) -> int:
    """The chore. A number that does not open is left: the vault has rung already."""
    size = Func(F("tracking_number"), function="octet_length", output_field=IntegerField())
    rows = Shipment.objects.annotate(size=size).filter(organization_id=organization_id, size__gt=0, tracking_digest=b"")
    filled = 0
    for row in rows.select_related("fulfillment__order__offer").order_by("-pk")[:BATCH]:
        try:
            digest = tracking_digest(organization_id, row.tracking_number)
        except VaultError:
            continue
        # Only what still has a number: whoever erases it meanwhile has erased its index as well.
        still = Shipment.objects.annotate(size=size).filter(pk=row.pk, size__gt=0, tracking_digest=b"")
        filled += still.update(tracking_digest=digest)
    return filled
