"""Telling a supplier that a person asked to be forgotten: one effect for each part of an order that it holds. What a
supplier then deletes is for its own law to say; that it was told is ours, and stands in the audit."""

from datetime import datetime

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman, Outcome
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import NoSupplier

KIND = "fulfillment.forget"


def tell_suppliers(order: Order, *, at: datetime) -> int:
    """Plan one for each supplier that was sent something. Returns how many."""
    parts = Fulfillment.objects.filter(order=order).exclude(supplier_reference="")
    for part in parts:
        outbox.plan(kind=KIND, subject=str(part.public_id), organization_id=order.organization_id, at=at)
    return len(parts)


class Forget(Handler):
    """A supplier without such an address is told by a person: the effect waits in the needs-human queue."""

    kind = KIND

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def _fulfillment(self, effect: Effect) -> Fulfillment:
        return Fulfillment.objects.select_related("supplier").get(public_id=effect.subject)

    def prepare(self, effect: Effect) -> bytes:
        return self._fulfillment(effect).supplier_reference.encode()

    def still_wanted(self, effect: Effect) -> None:
        fulfillment = self._fulfillment(effect)
        try:
            chosen.usable(fulfillment.supplier, at=timezone.now())
        except NoSupplier as problem:
            raise Halt(NeedsHuman("no_agreement")) from problem
        audit.record(
            organization_id=effect.organization_id, by=audit.system("outbox"), action="erasure.told",
            entity=f"fulfillment:{fulfillment.public_id}", at=timezone.now(), recipient=fulfillment.supplier.party,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        adapter = chosen.fulfiller(self._fulfillment(effect).supplier)
        forget = getattr(adapter, "forget", None)
        if forget is None:
            return NeedsHuman("tell_by_hand")
        outcome: Outcome = forget(body.decode(), idempotency_key=effect.idempotency_key)
        return outcome
