"""A supplier that has an order of ours twice: it does not honor our keys, whatever was agreed (REL-F15). It is seen in its
own list, which is asked after each dispatch and until the order ends. A person settles which of the two goes, and from
then on this supplier is asked before anything is sent again."""

import logging
from datetime import datetime

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.outbox.outcomes import Done, NeedsHuman, Outcome
from ehrcommerce.suppliers import chosen

log = logging.getLogger(__name__)
KIND = "fulfillment.doubles"


class Doubles(Handler):
    """Looks how many there are now; nothing is sent."""

    kind = KIND

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment = Fulfillment.objects.select_related("supplier").get(public_id=effect.subject)
        status = chosen.fulfiller(fulfillment.supplier).find(effect.subject)
        return NeedsHuman("doubled_at_supplier") if status is not None and status.copies > 1 else Done()

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, b"")


def hear(fulfillment: Fulfillment, copies: int, *, by: Actor, at: datetime) -> None:
    """In the transaction that takes their news over. Said once, and taken back when it is no longer true."""
    mine = Effect.objects.filter(
        organization_id=fulfillment.organization_id, kind=KIND, subject=str(fulfillment.public_id)
    )
    if copies > 1 and not mine.exists():
        log.error("%s does not honor idempotency keys: it has an order twice", fulfillment.supplier.party)
        chosen.ask_first(fulfillment.supplier)
        outbox.plan(kind=KIND, subject=str(fulfillment.public_id), organization_id=fulfillment.organization_id, at=at)
    elif copies == 1:
        for effect in mine.filter(state=State.NEEDS_HUMAN):
            outbox.retry(effect, by=by, at=at)
