"""Contacts from before there was a blind index get theirs, a few at a time, by the clock."""

from datetime import datetime

from django.db.models import F, Func, IntegerField

from ehrcommerce.commerce.offers.models import Contact, contact_digest
from ehrcommerce.vault.keys import VaultError

BATCH = 200


def fill_digests(organization_id: int, at: datetime) -> int:
    """The chore. One that does not open is left: the vault has rung already."""
    size = Func(F("value"), function="octet_length", output_field=IntegerField())
    rows = Contact.objects.annotate(size=size).filter(organization_id=organization_id, size__gt=0, value_digest=b"")
    filled = 0
    for row in rows.select_related("offer").order_by("-pk")[:BATCH]:
        try:
            digest = contact_digest(organization_id, row.value)
        except VaultError:
            continue
        filled += Contact.objects.filter(pk=row.pk, value_digest=b"").exclude(masked="").update(value_digest=digest)
    return filled
