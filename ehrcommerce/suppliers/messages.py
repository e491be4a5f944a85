"""What messengers tell of messages by themselves: delivered, bounced, and a patient's STOP. Verified like every callback;
an address in it is used for one digest and not kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ehrcommerce.suppliers import callbacks, chosen, optouts
from ehrcommerce.suppliers.models import MessageNews, Port, Supplier

DELIVERED, BOUNCED, FAILED, COMPLAINED = "delivered", "bounced", "failed", "complained"
# Their word, in what is usual among messengers -> ours. Others are nothing to us.
KINDS: Mapping[str, str] = {
    "delivered": DELIVERED, "bounced": BOUNCED, "bounce": BOUNCED, "failed": FAILED, "undelivered": FAILED,
    "undeliverable": FAILED, "rejected": FAILED, "complained": COMPLAINED, "complaint": COMPLAINED, "spam": COMPLAINED,
}  # fmt: skip
FINAL = (BOUNCED, FAILED, COMPLAINED)
LONGEST = 320

told = Signal()
"""told(sender=Supplier, supplier, reference, kind, at): inside the transaction; receivers write rows and call nobody."""


@dataclass(frozen=True, slots=True)
class MessageTold:
    """`kind`: one of KINDS, or stop | start, or "" for what is nothing to us."""

    kind: str = ""
    reference: str = ""
    address: str = ""
    channel: str = ""


def told_in(body: Mapping[str, Any], *, channel: str, names: Mapping[str, str] | None = None) -> MessageTold:
    """A callback in the common form, or with the names that a row gives them (ours -> theirs)."""
    named = {one: (names or {}).get(one, one) for one in ("status", "reference", "from", "text")}
    values = {ours: body.get(theirs) for ours, theirs in named.items()}
    words = {ours: value[:LONGEST] if isinstance(value, str) else "" for ours, value in values.items()}
    if words["from"] and (wish := optouts.wish_of(words["text"])):
        return MessageTold(wish, "", words["from"], channel)
    kind = KINDS.get(words["status"].casefold(), "")
    return MessageTold(kind, words["reference"], words["from"], channel)


@csrf_exempt  # signed by the messenger; no browser and no cookie is involved
@require_POST
def message_callback(request: HttpRequest, supplier_id: UUID) -> HttpResponse:
    return callbacks.receive(request, supplier_id, ports=(Port.MESSAGING,), take=_take)


def _take(supplier: Supplier, callback: callbacks.Callback, at: datetime) -> None:
    adapter = chosen.adapter_of(supplier)
    read = getattr(adapter, "read_message", None)
    news: MessageTold = read(callback.body) if read else told_in(callback.body, channel=optouts.SMS)
    if news.kind == "stop":
        optouts.record(supplier=supplier, channel=news.channel, address=news.address, at=at)
    elif news.kind == "start":
        optouts.lift(supplier=supplier, channel=news.channel, address=news.address, at=at)
    elif news.kind and (reference := callbacks.uuid_of(news.reference)):
        _news(supplier, reference, news, at)


def _news(supplier: Supplier, reference: UUID, news: MessageTold, at: datetime) -> None:
    _, made = MessageNews.objects.get_or_create(
        supplier=supplier, reference=reference, kind=news.kind,
        defaults={"organization_id": supplier.organization_id, "at": at},
    )  # fmt: skip
    if news.kind == COMPLAINED and news.address:
        optouts.record(supplier=supplier, channel=news.channel, address=news.address, at=at)
    if made:
        told.send(sender=Supplier, supplier=supplier, reference=reference, kind=news.kind, at=at)


def kinds_of(reference: UUID) -> frozenset[str]:
    """All that was told of one message."""
    return frozenset(MessageNews.objects.filter(reference=reference).values_list("kind", flat=True))
