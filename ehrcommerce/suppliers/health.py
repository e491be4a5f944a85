"""How calls to each partner go, for people: written when the breaker of some process changes its mind, read by the back
office. Decisions are made in each process by its own breaker (wire), so that a database in trouble stops no call and a
partner in trouble costs no query."""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.utils import timezone

from ehrcommerce.suppliers.models import Health, PartnerHealth, Supplier
from ehrcommerce.vault import walls

log = logging.getLogger(__name__)
# A partner that nobody called for so long is not known to be ill any more.
FORGOTTEN = timedelta(hours=1)


def note(organization_id: int, supplier_pk: int, state: str, code: str) -> None:
    """Told by wire after a call, outside any transaction. What cannot be written is not worth failing a call for."""
    at = timezone.now()
    try:
        with walls.organization(organization_id):
            before = PartnerHealth.objects.filter(supplier_id=supplier_pk).first()
            since = before.since if before is not None and before.state == state else at
            PartnerHealth.objects.update_or_create(
                supplier_id=supplier_pk,
                defaults={"organization_id": organization_id, "state": state, "code": code[:48], "since": since,
                          "changed_at": at},
            )  # fmt: skip
    except DatabaseError:
        log.warning("the state of a partner could not be written down")


def unwell(at: datetime) -> list[Supplier]:
    """Active partners whose calls fail, with whom to call about it. Inside the walls of the organization."""
    rows = Supplier.objects.filter(active=True, health__state__in=(Health.DEGRADED, Health.OPEN))
    return list(rows.filter(health__changed_at__gt=at - FORGOTTEN).select_related("health").order_by("pk"))
