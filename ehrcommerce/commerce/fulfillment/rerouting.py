"""Another address, or another supplier, for what was not sent yet: decided by a person, under the order's lock, for nothing
that may already lie with a supplier. What was being prepared is prepared anew: its check does not count any more."""

import re
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.fulfillment import payloads, progress, receipting, telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import errors, moves, pricing
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.disclosure import consent
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import NoSupplier

ADDRESS_REASONS = {
    "patient_asked": "The patient asked for it",
    "patient_confirmed": "It was wrong, and the patient confirmed the right one",
}
SUPPLIER_REASONS = {
    "supplier_fails": "The supplier does not answer or refuses us",
    "out_of_stock": "The supplier does not have it",
    "patient_asked": "The patient asked for it",
    "operator": "Another reason",
}
WAITS = (OrderState.AUTHORIZED, OrderState.GATED, OrderState.EXCEPTION)
DONE, ASKED = "done", "asked"
LONGEST = {"name": 100, "line": 120, "city": 60}


def waits_here(part: Fulfillment) -> bool:
    """Whether this part is still with us: nothing of it was, or may have been, sent."""
    return part.state in WAITS and not part.supplier_reference and not progress.may_have_been_sent(part)


def _parts(order: Order) -> list[Fulfillment]:
    rows = Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier").filter(order=order)
    return [part for part in rows.order_by("pk") if part.state not in progress.OVER]


# -- another address --------------------------------------------------------------------------------------------------
@transaction.atomic
def change_address(*, order: Order, ship_to: ShipTo, reason: str, by: Actor, at: datetime) -> bool:
    """Send it elsewhere, at the same price. The same address again changes nothing: False.

    reason: one of ADDRESS_REASONS; each says that the patient wants it. Raises TooLateToChange, AddressIncomplete,
    NotSoldThere, PriceWouldChange, SupplierGone (it may not send there: reassign first).
    """
    ADDRESS_REASONS[reason]
    _require_whole(ship_to)
    locked = moves.lock(order.pk)
    value = {name: getattr(ship_to, name) for name in ShipTo.__slots__}
    if locked.ship_to == value:
        return False
    parts = _parts(locked)
    if not parts or not all(waits_here(part) for part in parts):
        raise errors.TooLateToChange
    if any(not part.supplier.serves(ship_to.state) for part in parts):
        raise errors.SupplierGone
    _require_same_price(locked, ship_to.state, at)
    locked.ship_to = value
    locked.save(update_fields=["ship_to"])
    _audit(locked, "order.address_changed", reason, by, at)
    note(locked, Code.ADDRESS_CHANGED, by=by, at=at, detail=reason)
    for part in parts:
        _prepare_anew(locked, part, by=by, at=at)
    return True


def _require_whole(ship_to: ShipTo) -> None:
    """Codes and lengths that every supplier takes; whether the house stands there is the patient's to say."""
    texts = all(
        0 < len(getattr(ship_to, name).strip()) <= most and getattr(ship_to, name).isprintable()
        for name, most in LONGEST.items()
    )  # fmt: skip
    state = re.fullmatch("[A-Z]{2}", ship_to.state, re.ASCII)
    if not (texts and state and re.fullmatch(r"\d{5}(-\d{4})?", ship_to.postal_code, re.ASCII)):
        raise errors.AddressIncomplete


def _require_same_price(order: Order, state: str, at: datetime) -> None:
    """Tax and shipping there, to the cent as the patient agreed to them."""
    rows = list(order.lines.select_related("offer_line__product", "offer_line__offer").order_by("pk"))
    offered: list[OfferLine] = [row.offer_line for row in rows]
    items = tuple(
        pricing.QuoteLine(
            str(row.offer_line.public_id), row.offer_line.sold_as, row.quantity, row.full_cents, row.plan_cents,
            row.patient_cents, pricing.NOT_ASKED,
        )
        for row in rows
    )  # fmt: skip
    link = PurchaseLink.objects.filter(offer=order.offer).latest("pk")
    try:
        there = pricing.delivered(
            pricing.Quote(items, order.uses_plan, "", ""), offered, state=state, on=link.day_of(at)
        )
    except NoRule as problem:
        raise errors.NotSoldThere from problem
    fees = {fee.kind: (fee.cents, fee.tax_cents) for fee in order.fees.all()}
    same_fees = fees == {fee.kind: (fee.cents, fee.tax_cents) for fee in there.fees}
    same_tax = [row.tax_cents for row in rows] == [line.tax_cents for line in there.lines]
    if not (same_fees and same_tax):
        raise errors.PriceWouldChange


# -- another supplier -------------------------------------------------------------------------------------------------
@transaction.atomic
def reassign(*, fulfillment: Fulfillment, to: Supplier | None, reason: str, by: Actor, at: datetime) -> str:
    """Let another supplier fill this part: `to`, or the first that may. DONE, or ASKED where the patient has not said yes
    to that one: they are asked, and their yes does it. The same again changes nothing.

    reason: one of SUPPLIER_REASONS. Raises TooLateToChange, SupplierGone.
    """
    SUPPLIER_REASONS[reason]
    order = moves.lock(fulfillment.order_id)
    part = Fulfillment.objects.select_for_update(of=("self",)).select_related("supplier").get(pk=fulfillment.pk)
    if to is not None and part.supplier_id == to.pk:
        return DONE
    if not waits_here(part):
        raise errors.TooLateToChange
    found = [one for one in may_fill(order, part, at=at) if to is None or one.pk == to.pk]
    if not found:
        raise errors.SupplierGone
    agreed = [one for one in found if _said_yes(order, part, one)]
    supplier = (agreed or found)[0]
    if not agreed:
        return _ask_patient(order, part, supplier, reason, by=by, at=at)
    part.supplier, part.asked_supplier = supplier, None
    part.save(update_fields=["supplier", "asked_supplier"])
    _audit(order, "fulfillment.reassigned", reason, by, at, recipient=supplier.party)
    note(order, Code.REASSIGNED, by=by, at=at, detail=f"{part.kind}:{reason}")
    _prepare_anew(order, part, by=by, at=at)
    return DONE


def may_fill(order: Order, part: Fulfillment, *, at: datetime) -> list[Supplier]:
    """Other suppliers of this port that are on, have an agreement, are licensed where it goes, and whose items the
    catalog still sells."""
    lines = list(OrderLine.objects.filter(fulfillment_lines__fulfillment=part).select_related("offer_line__product"))
    if not order.ship_to or payloads.not_sold(lines) or payloads.renumbered(lines):
        return []
    rows = Supplier.objects.filter(
        organization_id=order.organization_id, port=payloads.PORT_OF[part.kind], active=True
    ).exclude(pk=part.supplier_id)
    taken = Fulfillment.objects.filter(order=order, kind=part.kind, replaces__isnull=True).values("supplier_id")
    return [
        one for one in rows.exclude(pk__in=taken).order_by("pk")
        if one.serves(order.ship_to["state"]) and _usable(one, at)
    ]  # fmt: skip


def _usable(supplier: Supplier, at: datetime) -> bool:
    try:
        chosen.usable(supplier, at=at)
    except NoSupplier:
        return False
    return True


def _said_yes(order: Order, part: Fulfillment, supplier: Supplier) -> bool:
    live = consent.live(
        organization_id=order.organization_id, subject=str(order.offer.public_id), recipient=supplier.party
    )
    return any(one.purpose == part.kind for one in live)


def _ask_patient(
    order: Order, part: Fulfillment, supplier: Supplier, reason: str, *, by: Actor, at: datetime
) -> str:  # fmt: skip
    if part.asked_supplier_id == supplier.pk:
        return ASKED
    part.asked_supplier = supplier
    part.save(update_fields=["asked_supplier"])
    _audit(order, "consent.asked_again", reason, by, at, recipient=supplier.party)
    note(order, Code.CONSENT_ASKED, by=by, at=at, detail=part.kind)
    telling.about(order, part, Code.CONSENT_ASKED, at=at)
    return ASKED


def asked_of(order: Order) -> list[Fulfillment]:
    """Parts whose next supplier waits for the patient's yes."""
    rows = Fulfillment.objects.filter(order=order, asked_supplier__isnull=False).select_related("asked_supplier")
    return [part for part in rows.order_by("pk") if waits_here(part)]


# -- both -------------------------------------------------------------------------------------------------------------
def _prepare_anew(order: Order, part: Fulfillment, *, by: Actor, at: datetime) -> None:
    """The payload that was agreed to is this one now. Bytes that somebody is preparing at this moment rest on a check that
    does not count any more, so they do not go out."""
    lines: Sequence[OrderLine] = list(
        OrderLine.objects.filter(fulfillment_lines__fulfillment=part).select_related("offer_line__product").order_by("pk")
    )
    request = payloads.request_for(order, lines, kind=part.kind, reference=str(part.public_id))
    part.payload_digest, part.checked_at = payloads.digest(request), None
    part.save(update_fields=["payload_digest", "checked_at"])
    part.order = order
    receipting.receipt(part, at=at)
    waiting = Effect.objects.filter(
        organization_id=order.organization_id, kind="fulfillment.dispatch", subject=str(part.public_id),
        state__in=(State.PLANNED, State.NEEDS_HUMAN),
    )  # fmt: skip
    for effect in waiting:
        outbox.retry(effect, by=by, at=at)


def _audit(order: Order, action: str, reason: str, by: Actor, at: datetime, *, recipient: str = "") -> None:
    audit.record(
        organization_id=order.organization_id, by=by, action=action, entity=f"order:{order.public_id}", at=at,
        reason=reason, recipient=recipient, customer_key=order.offer.customer_key,
    )  # fmt: skip
