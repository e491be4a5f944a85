"""A card of CDS Hooks, from the orders that it speaks of to the launch that opens it. The EHR carries nothing but a handle
of random characters; what it stands for is a row here."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.disclosure.values import Reference
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import AppContext, EhrConnection, HookToken
from ehrcommerce.vault.fields import Sealed

# From the card to the click: orders are looked at and signed in between.
LIFE = timedelta(minutes=30)
# After that the row only tells whether feedback speaks of a card of ours.
KEPT = timedelta(days=7)
LONGEST_HANDLE = 64
BATCH = 500
LABEL = "Open the purchase link page"


def make(
    connection: EhrConnection, *, hook: str, summary: str, patient_id: str, user: str, orders: Sequence[Reference],
    at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The row, and the card as the EHR gets it (CDS Hooks 2.0, "Card Attributes"): no member that is empty."""
    handle = secrets.token_urlsafe(32)
    row = AppContext.objects.create(
        organization_id=connection.organization_id, connection=connection, handle_sha256=_sha256(handle), hook=hook,
        patient_digest=_digest(connection, "Patient", patient_id), user_digest=_digest(connection, "", user),
        orders=[f"{kind}/{name}" for kind, name in orders], made_at=at, expires_at=at + LIFE,
    )  # fmt: skip
    link = {"label": LABEL, "url": f"{settings.CLINIC_URL}/ehr/launch", "type": "smart", "appContext": handle}
    source = {"label": markdown(connection.organization.alias or connection.organization.name)}
    return {"uuid": str(row.public_id), "summary": summary, "indicator": "info", "source": source, "links": [link]}


def markdown(text: str) -> str:
    """As text only: EHRs read labels as GitHub Flavored Markdown."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]()<>#+-!|~&" else each for each in text)[:80]


def spend(connection: EhrConnection, handle: str, *, patient: str, user: str, at: datetime) -> tuple[str, ...] | None:
    """H10: the orders of the card that opened this launch, once; None for every other launch, which begins as usual."""
    if not 0 < len(handle) <= LONGEST_HANDLE or not user:
        return None
    rows = AppContext.objects.filter(
        connection=connection, handle_sha256=_sha256(handle), used_at=None, expires_at__gt=at,
        patient_digest=_digest(connection, "Patient", patient), user_digest=_digest(connection, "", user),
    )  # fmt: skip
    row = rows.select_for_update().first()
    if row is None:
        return None
    orders = tuple(str(each) for each in row.orders or ())
    AppContext.objects.filter(pk=row.pk).update(used_at=at, orders=Sealed(b""))
    audit.record(
        organization_id=connection.organization_id, by=Actor("ehr", str(connection.public_id)), at=at,
        action="hook.card_opened", entity=f"card:{row.public_id}", customer_key=row.patient_digest.hex(),
    )  # fmt: skip
    return orders


def _digest(connection: EhrConnection, kind: str, name: str) -> bytes:
    """The keyed digest by which commerce knows the patient; of a user in the same way, whose reference has its type."""
    kind, name = (kind, name) if kind else (name.partition("/")[0], name.partition("/")[2])
    return bytes.fromhex(chart_key(connection.public_id, kind, name))


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


# --------------------------------------------------------------------------------------------------------- tidying up
def erase(organization_id: int, at: datetime) -> int:
    """The eraser: which orders a card spoke of goes when the card can no longer be opened, and the card after a week."""
    mine = AppContext.objects.filter(organization_id=organization_id)
    due = list(mine.filter(made_at__lte=at - KEPT).values_list("pk", flat=True)[: BATCH // 2])
    gone = mine.filter(pk__in=due).delete()[0]
    over = list(mine.filter(expires_at__lte=at).exclude(orders=Sealed(b"")).values_list("pk", flat=True)[: BATCH // 2])
    return gone + mine.filter(pk__in=over).update(orders=Sealed(b""))


def forget(organization_id: int, customer_key: str, order_keys: frozenset[str]) -> int:
    """One person's, at once."""
    mine = AppContext.objects.filter(organization_id=organization_id)
    known = mine.values_list("pk", "patient_digest")
    pks = [pk for pk, patient in known if bytes(patient).hex() == customer_key]
    return mine.filter(pk__in=pks).delete()[0]


def tidy(organization_id: int, at: datetime) -> int:
    """Calls that are over by themselves need not be remembered."""
    due = HookToken.objects.filter(organization_id=organization_id, until__lte=at)
    pks = list(due.values_list("pk", flat=True)[:BATCH])
    return HookToken.objects.filter(pk__in=pks).delete()[0]
