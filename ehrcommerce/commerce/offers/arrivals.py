"""Whether the message with a link arrived, as its messenger tells it afterwards: a bounce, a number that is nobody's. The
clinician reads it beside the link and sends it another way; until then it stands before a person (REL-F52)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, LinkState, PurchaseLink
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome
from ehrcommerce.suppliers import messages
from ehrcommerce.suppliers.models import MessageNews

KIND, LINK = "offers.undelivered", "offers.link"
CODE = "message_bounced"


def undelivered(links: Iterable[PurchaseLink]) -> frozenset[int]:
    """Keys of those links whose last message did not arrive, and which nobody has opened since; two statements."""
    waiting = {str(link.public_id): link for link in links if link.state == LinkState.SENT and not link.is_printed}
    last: dict[str, UUID] = {}
    sends = Effect.objects.filter(kind=LINK, subject__in=waiting).order_by("generation")
    for subject, public_id, generation, state in sends.values_list("subject", "public_id", "generation", "state"):
        # A reminder that was dropped says nothing of the message before it.
        if state != State.REJECTED or generation not in waiting[subject].reminders:
            last[subject] = public_id
    news = MessageNews.objects.filter(reference__in=last.values(), kind__in=messages.FINAL)
    bounced = set(news.values_list("reference", flat=True))
    return frozenset(waiting[subject].pk for subject, public_id in last.items() if public_id in bounced)


def other_ways(links: Iterable[PurchaseLink]) -> Mapping[int, list[Contact]]:
    """Offer -> contacts on file by which its link did not go."""
    found: dict[int, list[Contact]] = {}
    rows = Contact.objects.filter(offer__in=[link.offer_id for link in links], carries_link=False).exclude(masked="")
    for contact in rows.order_by("pk"):
        found.setdefault(contact.offer_id, []).append(contact)
    return found


@transaction.atomic
def use_other(*, link: PurchaseLink, contact_id: UUID, by: Actor, at: datetime) -> bool:
    """From now on everything of this offer goes to that contact of it. False where it is none of it, or the link is over."""
    locked = PurchaseLink.objects.select_for_update().get(pk=link.pk)
    chosen = Contact.objects.filter(offer_id=locked.offer_id, public_id=contact_id).exclude(masked="").first()
    if chosen is None or locked.state not in LIVE_LINK:
        return False
    Contact.objects.filter(offer_id=locked.offer_id, carries_link=True).update(carries_link=False)
    Contact.objects.filter(pk=chosen.pk).update(carries_link=True)
    # Another channel may need another messenger: chosen anew before the next send.
    PurchaseLink.objects.filter(pk=locked.pk).update(messenger=None)
    audit.record(
        organization_id=locked.organization_id, by=by, action="link.other_contact", entity=f"link:{locked.public_id}",
        at=at, reason=chosen.channel,
    )  # fmt: skip
    return True


def heard(sender: Any, *, reference: UUID, kind: str, at: datetime, **_: Any) -> None:
    """The messenger's word, in its transaction: of a link's message, it is put before a person."""
    effect = Effect.objects.filter(public_id=reference, kind=LINK).first()
    if effect is not None and kind in messages.FINAL:
        outbox.plan_next(kind=KIND, subject=effect.subject, organization_id=effect.organization_id, at=at)


def look_again(link: PurchaseLink, *, by: Actor, at: datetime) -> None:
    """It was sent another way: what stands in the queue must be true."""
    for effect in Effect.objects.filter(
        organization_id=link.organization_id, kind=KIND, subject=str(link.public_id), state=State.NEEDS_HUMAN
    ):
        outbox.retry(effect, by=by, at=at)


class Undelivered(Handler):
    """Looks whether the link is still unread and its last message lost; nothing is sent."""

    kind = KIND
    queue = "bulk"

    def send(self, effect: Effect, body: bytes) -> Outcome:
        link = PurchaseLink.objects.get(public_id=effect.subject)
        return NeedsHuman(CODE) if undelivered([link]) else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")
