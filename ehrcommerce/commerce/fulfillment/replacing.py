"""A parcel that was lost, broken, wrong or came back is sent once more, and costs nothing: a part of the order that replaces
another. It passes the same gate, consent, agreement, licence and routing proof as the first (dispatch.py); what its supplier
answers moves no money. Started by a person; a patient may ask for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import stock
from ehrcommerce.commerce.fulfillment import parts, payloads, receipting, returning, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment, FulfillmentLine, Shipment
from ehrcommerce.commerce.orders import errors, ledger, moves
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderEvent, OrderLine
from ehrcommerce.commerce.orders.states import MoneyState, OrderState, derive
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import NoSupplier

REASONS = {
    "lost": "The parcel is lost",
    "damaged": "It came broken",
    "wrong": "The wrong thing came",
    "returned": "The parcel came back",
}
HAS_LEFT = (
    OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED, OrderState.RETURNED, OrderState.EXCEPTION,
)  # fmt: skip
# What is no longer on its way to the patient.
LOST = "lost"
DISPATCH_WITHIN = timedelta(hours=48)


def may_be_replaced(fulfillment: Fulfillment) -> bool:
    """Whether something of this part has left and is not being sent anew."""
    heir = fulfillment.replacements.order_by("-pk").first()
    settled = heir is None or heir.state in (*parts.OVER, *HAS_LEFT[1:])
    return fulfillment.state in HAS_LEFT and settled and fulfillment.shipments.exists()


@transaction.atomic
def replace(
    *, fulfillment: Fulfillment, reason: str, proof_held: bool, by: Actor, at: datetime, parcel: Shipment | None = None
) -> Fulfillment:
    """Send it anew: all of this part, or what was in one parcel of it. Two presses are one: NotReplaceable.

    reason: one of REASONS. proof_held: somebody asked the pharmacy whether it still holds the prescription. Raises
    NotReplaceable, NotPaidFor, ProofMissing, AddressGone, SupplierGone, SoldOut; KeyError for another reason.
    """
    REASONS[reason]
    order = moves.lock(fulfillment.order_id)
    before = Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier").get(pk=fulfillment.pk)
    lines = _lines(before, parcel)
    _require(order, before, lines, proof_held=proof_held, at=at)
    child = _make(order, before, lines, reason, at)
    if reason == LOST:
        gone = Shipment.objects.filter(fulfillment=before, delivered_at=None).exclude(state=OrderState.RETURNED)
        (gone.filter(pk=parcel.pk) if parcel is not None else gone).update(state=LOST)
    ledger.replaced(order, str(child.public_id), at=at)
    audit.record(
        organization_id=order.organization_id, by=by, action="fulfillment.replaced", at=at, reason=reason,
        entity=f"fulfillment:{before.public_id}", recipient=before.supplier.party,
        customer_key=order.offer.customer_key,
    )  # fmt: skip
    state = derive([one.state for one in parts.counting(order)])
    moves.reopen(order, state, by=by, at=at, code=Code.REPLACEMENT, detail=f"{before.kind}:{reason}")
    telling.about(order, child, Code.REPLACEMENT, at=at)
    returning.look_again(before, by=by, at=at)
    return child


def _lines(before: Fulfillment, parcel: Shipment | None) -> list[OrderLine]:
    """What was in the parcel, where its supplier said so; else all that this part brings."""
    mine = OrderLine.objects.filter(fulfillment_lines__fulfillment=before, accepted=True)
    lines = list(mine.select_related("offer_line__product").order_by("pk"))
    inside = set(parcel.skus) if parcel is not None else set()
    return [line for line in lines if not inside or line.offer_line.sold_as in inside]


def _require(
    order: Order, before: Fulfillment, lines: Sequence[OrderLine], *, proof_held: bool, at: datetime
) -> None:  # fmt: skip
    if not may_be_replaced(before):
        raise errors.NotReplaceable
    if not lines or (order.total_cents and order.money != MoneyState.CAPTURED):
        raise errors.NotPaidFor
    if before.kind == PRESCRIPTION and (not proof_held or payloads.lacks_proof(lines)):
        raise errors.ProofMissing
    if not order.ship_to:
        raise errors.AddressGone
    try:
        chosen.usable(before.supplier, at=at)
    except NoSupplier as problem:
        raise errors.SupplierGone from problem
    if not before.supplier.serves(order.ship_to["state"]):
        raise errors.SupplierGone


def _make(order: Order, before: Fulfillment, lines: Sequence[OrderLine], reason: str, at: datetime) -> Fulfillment:
    taken = _reserve(lines)
    child = Fulfillment(
        organization_id=order.organization_id, order=order, supplier=before.supplier, kind=before.kind,
        replaces=before, replace_reason=reason, changed_at=at,
    )  # fmt: skip
    request = payloads.request_for(order, lines, kind=child.kind, reference=str(child.public_id))
    child.payload_digest = payloads.digest(request)
    child.save()
    for line in lines:
        FulfillmentLine.objects.create(
            organization_id=order.organization_id, fulfillment=child, order_line=line,
            reserved=line.quantity if line.offer_line.product_id in taken else 0,
        )  # fmt: skip
    receipting.receipt(child, at=at)
    outbox.plan(
        kind="fulfillment.dispatch", subject=str(child.public_id), organization_id=order.organization_id, at=at,
        deadline_at=at + DISPATCH_WITHIN,
    )  # fmt: skip
    return child


def _reserve(lines: Sequence[OrderLine]) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for line in lines:
        wanted[line.offer_line.product_id] = wanted.get(line.offer_line.product_id, 0) + line.quantity
    try:
        return stock.take(wanted)
    except stock.OutOfStock as problem:
        raise errors.SoldOut from problem


@transaction.atomic
def ask_for(*, order: Order, by: Actor, at: datetime) -> int:
    """The patient asks that what is lost be sent anew: it stands before a person who decides. Returns for how many parts;
    a second press asks nothing new."""
    locked = moves.lock(order.pk)
    asked = 0
    for part in lost_parts(locked):
        detail = f"{part.kind}:{part.pk}"
        if OrderEvent.objects.filter(order=locked, code=Code.REPLACEMENT_ASKED, detail=detail).exists():
            continue
        note(locked, Code.REPLACEMENT_ASKED, by=by, at=at, detail=detail)
        audit.record(
            organization_id=locked.organization_id, by=by, action="replacement.asked", at=at,
            entity=f"fulfillment:{part.public_id}", customer_key=locked.offer.customer_key,
        )  # fmt: skip
        returning.put_before_a_person(locked, part, at=at)
        asked += 1
    return asked


def lost_parts(order: Order) -> list[Fulfillment]:
    """Parts with a parcel that does not arrive and that is not sent anew."""
    found = Fulfillment.objects.filter(order=order, state=OrderState.EXCEPTION).order_by("pk")
    return [one for one in found if may_be_replaced(one)]
