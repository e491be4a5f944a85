"""The EHR hinted that an order changed: read it, and stop by stage what must not go on (J7).

Unpaid: the order is over. Not sent: cancelled, the hold given back. Sent: asked back. Left the house: said, no more."""

import json
from collections.abc import Iterable

from django.utils import timezone

from ehrcommerce.commerce.fulfillment import attention, progress, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import gate, moves
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.outbox.handlers import Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, Outcome, Refused, TryAgain

GONE, GONE_ONCE, ONCE_MORE_S = "order_gone", "order_gone_once", 10.0


def confirm_gone(effect: Effect, problems: Iterable[str]) -> None:
    """A copy of the EHR's database that lags does not have a new order yet: "gone" counts when it is said twice."""
    if GONE in problems and effect.code != GONE_ONCE:
        raise Halt(TryAgain(GONE_ONCE, after_s=ONCE_MORE_S))


class Recheck(Handler):
    """One reading of all chart orders of one purchase. The bytes are its finding: kind of line -> what is wrong."""

    kind = "fulfillment.recheck"
    queue = "chart"

    def prepare(self, effect: Effect) -> bytes:
        order = Order.objects.get(public_id=effect.subject)
        if order.state in (OrderState.CANCELLED, OrderState.REFUSED, OrderState.COMPLETED):
            raise Halt(Refused("not_wanted"))
        problems: dict[str, str] = {}
        lines = OfferLine.objects.filter(pk__in=order.lines.values("offer_line")).order_by("pk")
        for kind in sorted({line.kind for line in lines}):
            finding = gate.read_chart(
                [line for line in lines if line.kind == kind], organization_id=order.organization_id,
                by=str(progress.system()),
            )  # fmt: skip
            gate.require_whole(finding)
            if finding.problem:
                problems[kind] = finding.problem
        confirm_gone(effect, problems.values())
        return json.dumps(problems).encode()

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves: the reading was the act."""
        return Done(facts={"problems": json.loads(body)})

    def ask(self, effect: Effect) -> Outcome:
        return self.send(effect, self.prepare(effect))

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        if not isinstance(outcome, Done):
            return
        order, at, by = moves.lock_by_public_id(effect.subject), timezone.now(), progress.system()
        for kind, problem in sorted(outcome.facts["problems"].items()):
            if order.state == OrderState.QUOTED:
                moves.move(order, state=OrderState.CANCELLED, code=Code.ORDER_STOPPED, detail=problem, by=by, at=at)
            for fulfillment in Fulfillment.objects.select_for_update().filter(order=order, kind=kind):
                stopped = progress.stop(order, fulfillment, problem, code=Code.ORDER_STOPPED, by=by, at=at)
                if not stopped and fulfillment.state in progress.HAS_LEFT:
                    note(order, Code.ORDER_STOPPED, by=by, at=at, detail=f"{kind}:has_left")
                    attention.ask_for(fulfillment, at=at)
                    telling.about(order, fulfillment, Code.CANCEL_TOO_LATE, at=at)
