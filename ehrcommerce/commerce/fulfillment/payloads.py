"""What each hop gets of a line, derived from the packet that the clinician sent and from nothing else: a pharmacy the
prescription, a device supplier size, side and count, a laboratory its own SKU. The digest of it stands from the order
on; what is dispatched is compared with it, so that what the patient agreed to is what goes (design, "Two digests")."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.digests import digest as packet_digest
from ehrcommerce.policy.digests import from_json as packet_of
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, DispatchFacts, OrderedItem, ShipTo
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import SupplyLine, SupplyRequest

PORT_OF = {PRESCRIPTION: Port.PHARMACY, DEVICE: Port.DEVICE, KIT: Port.KIT}
HOP_OF = {PRESCRIPTION: table.PHARMACY, DEVICE: table.DEVICE_SUPPLIER, KIT: table.LABORATORY}
_FIELD = "OrderedItem."


def fields_for(kind: str) -> frozenset[str]:
    """Fields of the packet that go to the supplier of this kind of line."""
    rows = [row for row in derive.rows(purposes=(kind,)) if HOP_OF[kind] in row.recipients]
    return frozenset(row.field.removeprefix(_FIELD) for row in rows if row.field.startswith(_FIELD))


def elements_for(kind: str, supplier: Supplier) -> list[str]:
    """Names of the FHIR elements that reach this supplier, for the receipt and the audit: names, never values."""
    hop, wanted = HOP_OF[kind], fields_for(kind)
    purposes = [kind, table.SHIPPING]
    if kind == PRESCRIPTION and supplier.needs_birth_date:
        purposes.append(table.DISPENSING)
    rows = [row for row in derive.rows(purposes=purposes) if hop in row.recipients and row.field]
    return sorted(
        {
            f"{row.resource}.{row.element}"
            for row in rows
            if row.purpose != kind or row.field.removeprefix(_FIELD) in wanted
        }
    )


def request_for(order: Order, lines: Sequence[OrderLine], *, kind: str, reference: str) -> SupplyRequest:
    """What goes to one supplier, still without the person, who is added for one dispatch and not kept."""
    return SupplyRequest(
        reference=reference, ship_to=ShipTo(**order.ship_to), lines=tuple(_line(kind, line) for line in lines)
    )


def with_person(request: SupplyRequest, person: DispatchFacts | None) -> SupplyRequest:
    return replace(request, person=person)


def _line(kind: str, line: OrderLine) -> SupplyLine:
    return _supply_line(kind, line.offer_line, line.quantity, line_id=str(line.public_id))


def _supply_line(kind: str, offered: OfferLine, quantity: int, *, line_id: str) -> SupplyLine:
    item = packet_of(offered.packet)
    facts = _facts(item, kind) | {"routing_proof": offered.routing_proof} if kind == PRESCRIPTION else {}
    return SupplyLine(
        line_id=line_id, sku=offered.sold_as, quantity=quantity,
        description=_described(item) if kind == DEVICE else "", facts=facts,
    )  # fmt: skip


def agreed(lines: Iterable[OfferLine], *, kind: str, supplier: Supplier) -> bytes:
    """32 bytes over what one recipient gets of an offer, for the patient's yes to it: which elements, and each item of
    this kind as it goes out. Where the parcel goes is asked later, and shown in full before it is paid."""
    items = [_item(kind, line, line.quantity) for line in lines if line.kind == kind]
    text = json.dumps(
        {"elements": elements_for(kind, supplier), "items": sorted(items, key=lambda item: str(item["line"]))},
        ensure_ascii=False, sort_keys=True, separators=(",", ":"),
    )  # fmt: skip
    return hashlib.sha256(text.encode()).digest()


def _item(kind: str, offered: OfferLine, quantity: int) -> dict[str, Any]:
    line = _supply_line(kind, offered, quantity, line_id=str(offered.public_id))
    return {"line": line.line_id, "sku": line.sku, "quantity": line.quantity, "description": line.description,
            "facts": dict(line.facts)}  # fmt: skip


def _facts(item: OrderedItem, kind: str) -> dict[str, Any]:
    values = asdict(item)
    wanted = fields_for(kind)
    return {field.name: values[field.name] for field in fields(item) if field.name in wanted and values[field.name]}


def _described(item: OrderedItem) -> str:
    return "; ".join(f"{parameter.code}: {parameter.value}" for parameter in item.parameters)


def digest(request: SupplyRequest) -> bytes:
    """32 bytes over all that this hop gets. The person is left out: pulled for one dispatch, gone after it."""
    text = json.dumps(asdict(replace(request, person=None)), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def is_changed(order: Order, lines: Sequence[OrderLine], *, kind: str, reference: str, agreed_to: bytes) -> bool:
    """Whether one byte of it differs: of a packet since the clinician sent it, of what this hop gets since the order."""
    touched = any(packet_digest(packet_of(line.offer_line.packet)) != bytes(line.offer_line.digest) for line in lines)
    return touched or digest(request_for(order, lines, kind=kind, reference=reference)) != agreed_to


def renumbered(lines: Iterable[OrderLine]) -> bool:
    """Whether the catalog gives one of these products another number today than it was offered under: what the
    supplier would send for the old one nobody knows."""
    return any(line.offer_line.sold_as != line.offer_line.product.sku for line in lines)


def not_sold(lines: Iterable[OrderLine]) -> str:
    """Why one of these products is not sold any more, "" where all are: the catalog may have learned since the link."""
    products = [line.offer_line.product for line in lines]
    if any(product.controlled_schedule for product in products):
        return "controlled"
    return "" if all(product.active for product in products) else "not_sold"


def lacks_proof(lines: Iterable[OrderLine]) -> bool:
    """A pulled MedicationRequest is not a legal prescription (design law 13)."""
    return any(line.offer_line.kind == PRESCRIPTION and not line.offer_line.routing_proof for line in lines)
