"""What went to whom: one row for each recipient and payload, with the digest of its bytes and the names of its
elements, never a value. The patient reads these rows, and so does whoever must account (45 CFR 164.528)."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.disclosure.models import Disclosure, DisclosureState

# A receipt only goes forward; a late message from an earlier step changes nothing.
_BEFORE = {
    DisclosureState.CONSENTED: (DisclosureState.PLANNED,),
    DisclosureState.SENT: (DisclosureState.PLANNED, DisclosureState.CONSENTED),
    DisclosureState.ACKNOWLEDGED: (DisclosureState.PLANNED, DisclosureState.CONSENTED, DisclosureState.SENT),
    DisclosureState.RECALLED: (DisclosureState.SENT, DisclosureState.ACKNOWLEDGED),
    DisclosureState.RECALL_REFUSED: (DisclosureState.SENT, DisclosureState.ACKNOWLEDGED),
}


def plan(
    *, organization_id: int, customer_key: str, subject: str, purpose: str, recipient: str, recipient_name: str,
    elements: Iterable[str], payload_digest: bytes, at: datetime, acting: str = "",
) -> Disclosure:  # fmt: skip
    """Write down what will go, before it goes. The same payload for the same recipient is one row."""
    names = sorted(set(elements))
    with transaction.atomic():
        row, new = Disclosure.objects.get_or_create(
            organization_id=organization_id, subject=subject, recipient=recipient, payload_digest=payload_digest,
            defaults={
                "customer_key": customer_key, "purpose": purpose, "recipient_name": recipient_name,
                "elements": ",".join(names), "planned_at": at, "acting": acting,
            },
        )  # fmt: skip
        if new:
            _audit(row, at)
    return row


def mark_sent(receipts: Disclosure | UUID | Iterable[Disclosure | UUID], at: datetime) -> int:
    """These went out. Returns how many had not been marked before."""
    return mark(receipts, DisclosureState.SENT, at)


def mark(receipts: Disclosure | UUID | Iterable[Disclosure | UUID], state: DisclosureState, at: datetime) -> int:
    """Move receipts forward to `state`, each with its audit row. Returns how many moved."""
    many = [receipts] if isinstance(receipts, Disclosure | UUID) else list(receipts)
    names = [one.public_id if isinstance(one, Disclosure) else one for one in many]
    with transaction.atomic():
        found = Disclosure.objects.select_for_update().filter(public_id__in=names, state__in=_BEFORE[state])
        rows = list(found.order_by("pk"))
        for row in rows:
            row.state = state
            row.sent_at = row.sent_at or (at if state in (DisclosureState.SENT, DisclosureState.ACKNOWLEDGED) else None)
            row.save(update_fields=["state", "sent_at"])
            _audit(row, at)
    return len(rows)


def of(organization_id: int, subject: str) -> list[Disclosure]:
    """All receipts of one subject, oldest first."""
    return list(Disclosure.objects.filter(organization_id=organization_id, subject=subject).order_by("pk"))


def _audit(row: Disclosure, at: datetime) -> None:
    audit.record(
        organization_id=row.organization_id, by=audit.system("disclosure"), action=f"disclosure.{row.state}",
        entity=f"disclosure:{row.public_id}", at=at, purpose=row.purpose, recipient=row.recipient,
        elements=row.elements.split(",") if row.elements else (), customer_key=row.customer_key, reason=row.acting,
    )  # fmt: skip
