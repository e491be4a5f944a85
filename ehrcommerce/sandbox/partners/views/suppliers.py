"""Pharmacy, device supplier and laboratory: three houses with the same counter."""

from ehrcommerce.sandbox.partners import checks, moves
from ehrcommerce.sandbox.partners.api import Answer, Call, Refused, wait_for_turn
from ehrcommerce.sandbox.partners.models import SupplierOrder


def place(call: Call) -> Answer:
    """Take an order. The caller's reference is taken once, whatever key it comes with."""
    checks.only_keys(call.body, {"reference", "ship_to", "lines", "prescription", "patient"})
    reference = checks.matching(call.body, "reference", checks.REFERENCE)
    lines, ship_to = checks.order_lines(call.body), checks.address(call.body)
    wait_for_turn(f"{call.partner} order {reference}")
    earlier = SupplierOrder.objects.filter(partner=call.partner, reference=reference).first()
    if earlier is not None:
        raise Refused(409, "duplicate_reference", id=earlier.public_id)
    order = SupplierOrder.objects.create(
        partner=call.partner,
        reference=reference,
        lines=lines,
        ship_to=ship_to,
        prescription=checks.optional_object(call.body, "prescription"),
        patient=checks.optional_object(call.body, "patient"),
        history=[{"status": "received", "at": call.at.isoformat()}],
        created_at=call.at,
        moved_at=call.at,
    )
    return Answer(status=201, body={"id": order.public_id, "reference": reference, "status": order.status})


def find(call: Call) -> Answer:
    """Orders by the caller's reference: how a lost answer is found again."""
    reference = call.query.get("reference")
    if not reference:
        raise Refused(400, "reference_missing")
    found = SupplierOrder.objects.filter(partner=call.partner, reference=reference)
    return Answer(body={"orders": [order.as_json() for order in found]})


def read(call: Call, public_id: str) -> Answer:
    """One order by its id."""
    order = SupplierOrder.objects.filter(partner=call.partner, public_id=public_id).first()
    if order is None:
        raise Refused(404, "not_found")
    return Answer(body=order.as_json())


def answer(call: Call, public_id: str) -> Answer:
    """The prescriber answers what this house asked about its order."""
    checks.only_keys(call.body, {"answer", "text"})
    said = checks.text(call.body, "answer", longest=40)
    order = moves.locked(partner=call.partner, public_id=public_id)
    if order is None:
        raise Refused(404, "not_found")
    if not moves.answered(order, {"answer": said, "text": str(call.body.get("text", ""))[:200]}, at=call.at):
        raise Refused(409, "no_question", id=order.public_id)
    return Answer(body={"id": order.public_id, "status": order.status})


def cancel(call: Call, public_id: str) -> Answer:
    """Stop an order, if it has not left the house."""
    checks.only_keys(call.body, {"reason"})
    order = moves.locked(partner=call.partner, public_id=public_id)
    if order is None:
        raise Refused(404, "not_found")
    if not moves.cancel(order, at=call.at):
        raise Refused(409, "too_late", id=order.public_id, status=order.status)
    return Answer(body={"id": order.public_id, "status": order.status})


def forget(call: Call, public_id: str) -> Answer:
    """The person asked to be forgotten. A pharmacy must keep its records; the other houses drop where it went."""
    checks.only_keys(call.body, set())
    order = moves.locked(partner=call.partner, public_id=public_id)
    if order is None:
        raise Refused(404, "not_found")
    if order.prescription is not None:
        raise Refused(409, "kept_by_law", id=order.public_id)
    order.ship_to, order.patient = {}, None
    order.save(update_fields=["ship_to", "patient"])
    return Answer(body={"id": order.public_id, "status": order.status})
