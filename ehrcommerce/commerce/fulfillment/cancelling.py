"""Asking an order back from a supplier. "Too late" is an answer: then the parcel comes, and is paid."""

from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import progress, receipting
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.disclosure.models import DisclosureState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused
from ehrcommerce.suppliers import chosen


class Cancel(Handler):
    """One request for one order at one supplier."""

    kind = "fulfillment.cancel"

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def _fulfillment(self, effect: Effect) -> Fulfillment:
        return Fulfillment.objects.select_related("supplier").get(public_id=effect.subject)

    def prepare(self, effect: Effect) -> bytes:
        return self._fulfillment(effect).supplier_reference.encode()

    def still_wanted(self, effect: Effect) -> None:
        order, fulfillment = progress.lock(effect.subject)
        if not _is_wanted(fulfillment):
            raise Halt(Refused("not_wanted"))
        audit.record(
            organization_id=order.organization_id, by=progress.system(), action="fulfillment.cancelling",
            entity=f"fulfillment:{fulfillment.public_id}", at=timezone.now(), purpose=fulfillment.kind,
            recipient=fulfillment.supplier.party,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        supplier = self._fulfillment(effect).supplier
        return chosen.fulfiller(supplier).cancel(body.decode(), idempotency_key=effect.idempotency_key)

    def ask(self, effect: Effect) -> Outcome:
        fulfillment = self._fulfillment(effect)
        status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
        if status is None or status.state in progress.OVER:
            return Done()
        return Refused("too_late") if status.state in progress.HAS_LEFT else self.missing(effect)

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        order, fulfillment = progress.lock(effect.subject)
        if not _is_wanted(fulfillment):
            return
        at, by = timezone.now(), progress.system()
        if isinstance(outcome, Done):
            receipting.mark(fulfillment, DisclosureState.RECALLED, at=at)
            progress.step(order, fulfillment, OrderState.CANCELLED, by=by, at=at)
        elif isinstance(outcome, Refused) and outcome.code == "too_late":
            _too_late(order, fulfillment)
        elif isinstance(outcome, Refused | NeedsHuman):
            progress.step(order, fulfillment, OrderState.EXCEPTION, by=by, at=at, reason=f"cancel_{outcome.code}")


def _is_wanted(fulfillment: Fulfillment) -> bool:
    """Also after a try that ended in trouble: a person presses Retry, and the answer counts."""
    in_doubt = fulfillment.state == OrderState.EXCEPTION and progress.is_asked_back(fulfillment)
    return fulfillment.state == OrderState.CANCEL_REQUESTED or in_doubt


def _too_late(order: Order, fulfillment: Fulfillment) -> None:
    """It left, or is leaving: back to where it was, and ask where that is."""
    at = timezone.now()
    receipting.mark(fulfillment, DisclosureState.RECALL_REFUSED, at=at)
    undecided = fulfillment.lines.filter(accepted=None).exists()
    before = OrderState.DISPATCHED if undecided else OrderState.ACCEPTED
    progress.step(
        order, fulfillment, before, by=progress.system(), at=at, reason=progress.TOO_LATE, code=Code.CANCEL_TOO_LATE
    )
    outbox.plan_next(
        kind="fulfillment.look", subject=str(fulfillment.public_id), organization_id=order.organization_id, at=at,
        even_if_running=True,
    )  # fmt: skip
