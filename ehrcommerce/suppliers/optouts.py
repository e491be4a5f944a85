"""Who wants no more messages. The address is kept as a keyed digest, which is enough to recognize it, and a message to it
is refused at the last line before it goes out."""

import re
from datetime import datetime

from ehrcommerce.audit import services as audit
from ehrcommerce.suppliers.models import OptOut, Supplier
from ehrcommerce.vault.keys import blind_index

SMS, EMAIL = "sms", "email"
# As carriers have agreed on them, in our two languages; whole messages only.
STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "alto", "parar", "baja"})
START = frozenset({"start", "unstop", "yes", "si", "s\u00ed", "alta"})


def wish_of(text: str) -> str:
    """stop | start | "" of a message that came in."""
    word = re.sub(r"[^\w]", "", text[:100]).casefold()
    return "stop" if word in STOP else "start" if word in START else ""


def stands(organization_id: int | None, channel: str, address: str) -> bool:
    if organization_id is None:
        return False
    digest = _digest(organization_id, channel, address)
    return OptOut.objects.filter(organization_id=organization_id, channel=channel, address_digest=digest).exists()


def record(*, supplier: Supplier, channel: str, address: str, at: datetime) -> None:
    OptOut.objects.get_or_create(
        organization_id=supplier.organization_id, channel=channel,
        address_digest=_digest(supplier.organization_id, channel, address), defaults={"at": at},
    )  # fmt: skip
    _audited("messages.stopped", supplier, at)


def lift(*, supplier: Supplier, channel: str, address: str, at: datetime) -> None:
    digest = _digest(supplier.organization_id, channel, address)
    OptOut.objects.filter(
        organization_id=supplier.organization_id, channel=channel, address_digest=digest
    ).delete()
    _audited("messages.resumed", supplier, at)


def _audited(action: str, supplier: Supplier, at: datetime) -> None:
    audit.record(
        organization_id=supplier.organization_id, by=audit.Actor("supplier", str(supplier.public_id)), action=action,
        entity=f"supplier:{supplier.public_id}", at=at,
    )  # fmt: skip


def _digest(organization_id: int, channel: str, address: str) -> bytes:
    if channel == EMAIL:
        normal = address.strip().casefold()
    else:
        digits = "".join(one for one in address if one.isdigit())
        normal = digits[-10:] if len(digits) == 11 and digits[0] == "1" else digits
    return blind_index("opt-out", f"{organization_id}:{channel}:{normal}")
