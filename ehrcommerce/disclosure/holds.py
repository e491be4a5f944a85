"""Legal holds: while one stands, neither the clock nor a person's own wish erases anything of whom it names."""

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.models import LegalHold


@transaction.atomic
def place(
    *, organization_id: int, customer_key: str, why: str, by: Actor, at: datetime, until: date | None = None
) -> LegalHold:
    """Stop all erasing of one person."""
    hold = LegalHold.objects.create(
        organization_id=organization_id,
        customer_key=customer_key,
        why=why,
        placed_by=str(by),
        placed_at=at,
        until=until,
    )
    _audit(hold, "hold.placed", by, at)
    return hold


@transaction.atomic
def release(hold: LegalHold, *, by: Actor, at: datetime) -> None:
    """Let the clock go on. A hold that was released stays as a record."""
    hold.released_by, hold.released_at = str(by), at
    hold.save(update_fields=["released_by", "released_at"])
    _audit(hold, "hold.released", by, at)


def standing(organization_id: int, at: datetime) -> QuerySet[LegalHold, Any]:
    """The customer keys that nothing may be erased of, as a subquery."""
    rows = LegalHold.objects.filter(organization_id=organization_id, released_at=None)
    return rows.filter(Q(until=None) | Q(until__gte=at.date())).values("customer_key")


def persons(organization_id: int, at: datetime) -> list[bytes]:
    """The audit's own names of everybody on whom a hold stands: a month that speaks of them is not dropped."""
    return [audit.patient_ref(row["customer_key"]) for row in standing(organization_id, at)]


def _audit(hold: LegalHold, action: str, by: Actor, at: datetime) -> None:
    audit.record(
        organization_id=hold.organization_id, by=by, action=action, entity=f"hold:{hold.public_id}", at=at,
        customer_key=hold.customer_key,
    )  # fmt: skip
