"""How a supplier's word moves a fulfillment, and through it the order and its money: forward only, so that callbacks
may come twice, late or in the wrong order. Everything here runs under the order's row lock and calls nobody."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import stock
from ehrcommerce.commerce.fulfillment import asking, attention, doubles, parcels, parts, receipting, returning, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders import money, moves
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderEvent, OrderLine
from ehrcommerce.commerce.orders.states import PROGRESS, OrderState, derive, way
from ehrcommerce.disclosure.models import DisclosureState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.policy.packets import KIT
from ehrcommerce.suppliers.ports import SupplyStatus

_O = OrderState
OVER = frozenset({_O.CANCELLED, _O.REFUSED})
HAS_LEFT = frozenset({_O.SHIPPED, _O.DELIVERED, _O.COMPLETED, _O.RETURNED})
TOO_LATE = "cancel_too_late"
ALIVE = "alive_at_supplier"
CANCEL_WITHIN = timedelta(hours=48)
CODE_OF: Mapping[str, str] = {
    _O.DISPATCHED: Code.DISPATCHED, _O.ACCEPTED: Code.ACCEPTED, _O.SHIPPED: Code.SHIPPED, _O.DELIVERED: Code.DELIVERED,
    _O.COMPLETED: Code.COMPLETED, _O.RETURNED: Code.RETURNED, _O.CANCELLED: Code.CANCELLED, _O.REFUSED: Code.REFUSED,
    _O.EXCEPTION: Code.EXCEPTION, _O.CANCEL_REQUESTED: Code.CANCEL_REQUESTED, _O.GATED: Code.CHECKED,
}  # fmt: skip


def lock(public_id: str) -> tuple[Order, Fulfillment]:
    """The order, then its fulfillment: the order of locks everywhere."""
    order = moves.lock(Fulfillment.objects.values_list("order_id", flat=True).get(public_id=public_id))
    return order, Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier").get(
        public_id=public_id
    )


def is_final(fulfillment: Fulfillment) -> bool:
    """Whether the supplier has nothing more to tell. A kit's way ends in the laboratory, not at the door."""
    ended = OVER | {_O.COMPLETED, _O.RETURNED}
    return fulfillment.state in (ended if fulfillment.kind == KIT else ended | {_O.DELIVERED})


def apply(order: Order, fulfillment: Fulfillment, status: SupplyStatus, *, at: datetime) -> None:
    """Take over what a supplier says. Older news, and news of what is over, changes nothing."""
    by = Actor("supplier", str(fulfillment.supplier.public_id))
    fulfillment.supplier_reference = fulfillment.supplier_reference or status.supplier_reference
    fulfillment.save(update_fields=["supplier_reference"])
    doubles.hear(fulfillment, status.copies, by=by, at=at)
    if status.state == "unknown":
        _note_unknown(order, fulfillment, by, at)
        return
    _put_off(order, fulfillment, status, by, at)
    asking.hear(order, fulfillment, status, by=by, at=at)
    after = _reached(fulfillment, parcels.claimed(fulfillment, status))
    if not after:
        # The whole stands where it stood; its parcels may have moved all the same.
        if fulfillment.state in HAS_LEFT | {_O.EXCEPTION} and status.parcels:
            _hear_parcels(order, fulfillment, status, fulfillment.state, by, at)
        return
    if after in OVER:
        _decide(fulfillment, None)
    elif PROGRESS.get(after, 0) >= PROGRESS[_O.ACCEPTED]:
        _decide(fulfillment, status.accepted)
        receipting.mark(fulfillment, DisclosureState.ACKNOWLEDGED, at=at)
    if after in HAS_LEFT or (after == _O.EXCEPTION and status.parcels):
        _hear_parcels(order, fulfillment, status, after, by, at)
    if after == _O.RETURNED:
        returning.came_back(order, fulfillment, at=at)
    if after == _O.EXCEPTION and fulfillment.shipments.exists():
        returning.put_before_a_person(order, fulfillment, at=at)
    partly = after == _O.ACCEPTED and fulfillment.lines.filter(accepted=False).exists()
    step(order, fulfillment, after, by=by, at=at, reason=status.reason, code=Code.PARTLY_ACCEPTED if partly else "")


def _hear_parcels(
    order: Order, fulfillment: Fulfillment, status: SupplyStatus, state: str, by: Actor, at: datetime
) -> None:  # fmt: skip
    """What is said of each parcel; one of several that came back is settled by itself."""
    for parcel in parcels.hear(fulfillment, status, state, at=at):
        if state == _O.RETURNED:
            continue  # all of it: settled as a whole
        note(order, Code.PARCEL_BACK, by=by, at=at, detail=fulfillment.kind)
        telling.about(order, fulfillment, Code.PARCEL_BACK, at=at)
        returning.parcel_came_back(order, parcel, at=at)


def _reached(fulfillment: Fulfillment, said: str) -> str:
    """The state that this news leads to, "" where it is old or cannot be."""
    before = fulfillment.state
    if before in OVER or said == before:
        return ""
    if said in OVER:
        # Who had accepted and then does not deliver has cancelled; so has who refuses what we asked to cancel.
        early = before in (_O.AUTHORIZED, _O.GATED, _O.DISPATCHED, _O.UNKNOWN)
        return "" if before in HAS_LEFT else said if early else _O.CANCELLED
    if said == _O.EXCEPTION:
        return said if before in (_O.DISPATCHED, _O.ACCEPTED, _O.SHIPPED) else ""
    if before == _O.CANCEL_REQUESTED or is_asked_back(fulfillment):
        # That they still work on it is no answer to our asking it back: money and goods wait for one.
        return said if said in HAS_LEFT else ""
    if before == _O.EXCEPTION:
        shipped = fulfillment.shipments.exists()
        return said if not shipped or said in (_O.DELIVERED, _O.COMPLETED, _O.RETURNED) else ""
    if said == _O.ACCEPTED and asking.stands(fulfillment):
        return ""  # who still asks has not accepted: no money is taken until the prescriber has answered
    return said if PROGRESS.get(said, 0) > PROGRESS.get(before, 0) else ""


def is_asked_back(fulfillment: Fulfillment) -> bool:
    """Whether a cancel of this part is under way, or ended without anybody knowing what the supplier does."""
    if fulfillment.replaces_id is not None:
        in_doubt = fulfillment.state == _O.EXCEPTION and fulfillment.reason.startswith("cancel_")
        return fulfillment.state == _O.CANCEL_REQUESTED or in_doubt
    return fulfillment.lines.filter(order_line__asked_back=True).exists()


def _decide(fulfillment: Fulfillment, accepted: Mapping[str, bool] | None) -> None:
    """Which lines were taken: None for none. Lines that an accepting supplier does not name are taken."""
    for line in fulfillment.lines.select_related("order_line__offer_line__product"):
        taken = accepted is not None and accepted.get(line.order_line.offer_line.sold_as, True)
        if line.accepted != taken:
            line.accepted = taken
            line.save(update_fields=["accepted"])
            if fulfillment.replaces_id is not None:
                continue  # what is sent anew is paid already, and moves no money
            OrderLine.objects.filter(pk=line.order_line_id).update(accepted=taken)


def _put_off(order: Order, fulfillment: Fulfillment, status: SupplyStatus, by: Actor, at: datetime) -> None:
    """What a supplier does not have now and will send later: said once for each day that it names, and again when that
    changes. Nothing else is sent in its place (REL-F14)."""
    if fulfillment.state in OVER | HAS_LEFT - {_O.SHIPPED}:
        return
    news = False
    for line in fulfillment.lines.select_related("order_line__offer_line"):
        sku = line.order_line.offer_line.sold_as
        late, day = sku in status.backordered, status.backordered.get(sku) or None
        expected = date.fromisoformat(day) if day else None
        if (line.is_late, line.expected_on) != (late, expected):
            news = news or late
            line.is_late, line.expected_on = late, expected
            line.save(update_fields=["is_late", "expected_on"])
    if news:
        note(order, Code.BACKORDERED, by=by, at=at, detail=fulfillment.kind)
        telling.about(order, fulfillment, Code.BACKORDERED, at=at)


def lives_on(fulfillment: Fulfillment, news: Sequence[SupplyStatus]) -> bool:
    """Whether a supplier still works on what is over for us. `fulfillment` as it was before the supplier was asked."""
    return fulfillment.state in OVER and any(status.state not in OVER | {_O.UNKNOWN} for status in news)


def note_alive(public_id: str) -> None:
    """Goods may come that nobody pays: on the order's timeline, once. The effect that found it waits for a person."""
    order, fulfillment = lock(public_id)
    detail = f"{fulfillment.kind}:{ALIVE}"
    if not OrderEvent.objects.filter(order=order, code=Code.EXCEPTION, detail=detail).exists():
        note(order, Code.EXCEPTION, by=system(), at=timezone.now(), detail=detail)


def _note_unknown(order: Order, fulfillment: Fulfillment, by: Actor, at: datetime) -> None:
    """The state is kept. Said once, not at each poll (REL-F18)."""
    detail = f"{fulfillment.kind}:{fulfillment.state}"
    if not OrderEvent.objects.filter(order=order, code=Code.UNKNOWN_STATUS, detail=detail).exists():
        note(order, Code.UNKNOWN_STATUS, by=by, at=at, detail=detail)


def step(
    order: Order, fulfillment: Fulfillment, to: str, *, by: Actor, at: datetime, reason: str = "", code: str = ""
) -> None:
    """Bring one fulfillment to a state, the order to what follows from all of them, and tell whoever should know."""
    for state in way(fulfillment.state, to):
        fulfillment.state = state
    if to != _O.EXCEPTION and fulfillment.replaces_id is None:  # a cancel that ends in trouble is not settled
        asked = OrderLine.objects.filter(fulfillment_lines__fulfillment=fulfillment)
        asked.exclude(asked_back=to == _O.CANCEL_REQUESTED).update(asked_back=to == _O.CANCEL_REQUESTED)
    fulfillment.reason, fulfillment.changed_at = (reason or fulfillment.reason)[:40], at
    fulfillment.save(update_fields=["state", "reason", "changed_at"])
    if to in OVER:
        _decide(fulfillment, None)
    _step_of_replacement(order, fulfillment, at)
    if to != _O.CANCEL_REQUESTED:
        attention.look_again(fulfillment, by=by, at=at)
        returning.look_again(fulfillment, by=by, at=at)
    conclude(order, code=code or CODE_OF.get(to, to), detail=f"{fulfillment.kind}:{reason}".rstrip(":"), by=by, at=at)
    telling.about(order, fulfillment, code or CODE_OF.get(to, to), at=at)


def _step_of_replacement(order: Order, child: Fulfillment, at: datetime) -> None:
    """What it held of the stock is let go or gone; one that brings not all of it is a person's work."""
    if child.replaces is None:
        return
    if child.state in OVER | HAS_LEFT:
        for line in child.lines.filter(reserved__gt=0).select_related("order_line__offer_line"):
            if child.state in OVER:
                stock.put_back({line.order_line.offer_line.product_id: line.reserved})
        child.lines.update(reserved=0)
    if child.state in OVER or child.lines.filter(accepted=False).exists():
        returning.put_before_a_person(order, child.replaces, at=at)


def conclude(order: Order, *, code: str, by: Actor, at: datetime, detail: str = "") -> None:
    """The order's state from its parts; and once every supplier has answered, the money's next act (design law 8)."""
    states = [one.state for one in parts.counting(order)]
    moves.move(order, state=derive(states), code=code, detail=detail, by=by, at=at)
    undecided = OrderLine.objects.filter(order=order, accepted=None).exists()
    if not undecided and _O.CANCEL_REQUESTED not in states:
        money.settle(order, at=at)


def stop(order: Order, fulfillment: Fulfillment, reason: str, *, code: str, by: Actor, at: datetime) -> bool:
    """Cancel by stage: what was not sent is over; what was, or may have been, is asked back. False: nothing to stop."""
    if fulfillment.state in OVER | HAS_LEFT | {_O.CANCEL_REQUESTED} or fulfillment.reason == TOO_LATE:
        return False
    if parts.living_replacement(fulfillment):
        return False  # it stands aside: its replacement is what can be stopped
    if fulfillment.supplier_reference or may_have_been_sent(fulfillment):
        step(order, fulfillment, _O.CANCEL_REQUESTED, by=by, at=at, reason=reason, code=code)
        ask_back(fulfillment, at=at)
        if code == Code.ORDER_STOPPED:
            attention.ask_for(fulfillment, at=at)
    else:
        step(order, fulfillment, _O.CANCELLED, by=by, at=at, reason=reason, code=code)
    return True


def ask_back(fulfillment: Fulfillment, *, at: datetime) -> None:
    """Plan the cancel request, once the supplier's own id is known; before, the dispatch does it when it ends."""
    if fulfillment.supplier_reference:
        outbox.plan_next(
            kind="fulfillment.cancel",
            subject=str(fulfillment.public_id),
            organization_id=fulfillment.organization_id,
            at=at,
            deadline_at=at + CANCEL_WITHIN,
        )


def may_have_been_sent(fulfillment: Fulfillment) -> bool:
    """Read after the order's lock was taken: a dispatch that has not begun by now will find its fulfillment
    cancelled."""
    effect = Effect.objects.filter(
        organization_id=fulfillment.organization_id, kind="fulfillment.dispatch", subject=str(fulfillment.public_id)
    ).order_by("-generation").first()  # fmt: skip
    if effect is None:
        return False
    return effect.state in (State.SENDING, State.UNKNOWN, State.DONE) or (
        # It waits, but was tried before: the dispatch asks the supplier before it calls the order cancelled.
        effect.state in (State.PLANNED, State.NEEDS_HUMAN) and effect.request_sha256 is not None
    )


def track_every() -> timedelta:
    return timedelta(seconds=settings.TRACK_EVERY_S)


def system() -> Actor:
    return audit.system("fulfillment")
