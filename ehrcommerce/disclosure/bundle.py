"""All that is held of one person as a FHIR R4 Bundle (`collection`), for themselves: the form that their next clinic or
their own app can read (45 CFR 164.524). It is made from packets, so it holds what crossed the door and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ehrcommerce.disclosure.models import Consent, Disclosure
from ehrcommerce.policy.derive import ORDER_TYPE
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeldItem:
    """One line of an offer: its packet as it is stored, {} once erased."""

    id: str
    kind: str
    packet: Mapping[str, Any]
    sold_as: str

    @property
    def line(self) -> str:
        """In words: the chart's name of it, how it is used, how much, and who ordered it."""
        parts = [self.packet.get("name") or self.sold_as]
        parts += [self.packet.get(name) for name in ("directions", "dose", "quantity", "quantity_unit", "orderer_name")]
        return ", ".join(str(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """One purchase."""

    id: str
    number: str
    state: str
    placed_at: datetime
    currency: str
    patient_cents: int
    ship_to: Mapping[str, Any]
    tracking: Sequence[str] = ()

    @property
    def line(self) -> str:
        whole, cents = divmod(self.patient_cents, 100)
        return f"{self.number}, {self.placed_at:%Y-%m-%d}, {whole}.{cents:02d} {self.currency}"


@dataclass(frozen=True, slots=True)
class Held:
    """Everything of one person at one clinic."""

    clinic: str
    contacts: Sequence[tuple[str, str]] = ()
    items: Sequence[HeldItem] = ()
    orders: Sequence[HeldOrder] = ()
    consents: Sequence[Consent] = ()
    receipts: Sequence[Disclosure] = field(default=())


def bundle(held: Held, *, at: datetime) -> Resource:
    """The Bundle. Sums stand in words, to the cent: a JSON number could be read as a float."""
    entries = [
        _patient(held), *map(_item, held.items), *map(_order, held.orders), *map(_consent, held.consents),
        *map(_receipt, held.receipts),
    ]  # fmt: skip
    return {
        "resourceType": "Bundle", "type": "collection", "timestamp": at.isoformat(),
        "entry": [{"resource": one} for one in entries],
    }  # fmt: skip


def _patient(held: Held) -> Resource:
    telecom = [
        {"system": "email" if channel == "email" else "phone", "value": value} for channel, value in held.contacts
    ]
    places = [order.ship_to for order in held.orders if order.ship_to]
    names = list(dict.fromkeys(str(place["name"]) for place in places if place.get("name")))
    return _without_empty({
        "resourceType": "Patient", "id": "me", "name": [{"text": name} for name in names], "telecom": telecom,
        "address": [_address(place) for place in places], "managingOrganization": {"display": held.clinic},
    })  # fmt: skip


def _address(place: Mapping[str, Any]) -> Resource:
    return _without_empty({
        "line": [place.get("line", "")], "city": place.get("city"), "state": place.get("state"),
        "postalCode": place.get("postal_code"), "country": place.get("country"),
    })  # fmt: skip


def _item(item: HeldItem) -> Resource:
    packet = item.packet
    concept = _without_empty({
        "text": packet.get("name") or item.sold_as,
        "coding": [
            _without_empty({key: one.get(key) for key in ("system", "code", "display")})
            for one in packet.get("codings", ())
        ],
    })  # fmt: skip
    code = {PRESCRIPTION: "medicationCodeableConcept", DEVICE: "codeCodeableConcept"}.get(item.kind, "code")
    resource = {
        "resourceType": ORDER_TYPE[item.kind], "id": item.id, "status": "unknown", "intent": "order",
        "subject": {"reference": "Patient/me"}, code: concept,
        "authoredOn": packet.get("ordered_on"), "requester": {"display": packet.get("orderer_name")},
    }  # fmt: skip
    if item.kind == PRESCRIPTION:
        words = " ".join(str(packet.get(name) or "") for name in ("directions", "dose", "timing", "route")).strip()
        resource["dosageInstruction"] = [{"text": words}] if words else None
    held = {name: value for name, value in packet.items() if value and name not in ("key", "kind")}
    resource["note"] = [{"text": f"{name}: {value}"} for name, value in sorted(held.items()) if isinstance(value, str)]
    return _without_empty(resource)


def _order(order: HeldOrder) -> Resource:
    whole, cents = divmod(order.patient_cents, 100)
    return _without_empty({
        "resourceType": "Invoice", "id": order.id, "status": "issued", "identifier": [{"value": order.number}],
        "subject": {"reference": "Patient/me"}, "date": order.placed_at.isoformat(),
        "note": [{"text": f"state: {order.state}"}, {"text": f"paid: {whole}.{cents:02d} {order.currency}"},
                 *({"text": f"parcel: {number}"} for number in order.tracking)],
    })  # fmt: skip


def _consent(row: Consent) -> Resource:
    period = _without_empty({
        "start": row.given_at.isoformat(), "end": row.withdrawn_at.isoformat() if row.withdrawn_at else None,
    })  # fmt: skip
    return {
        "resourceType": "Consent", "id": str(row.public_id), "status": "inactive" if row.withdrawn_at else "active",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"text": row.purpose}],
        "patient": {"reference": "Patient/me"}, "dateTime": row.given_at.isoformat(),
        "provision": {"period": period, "actor": [{"role": {"text": "recipient"},
                                                   "reference": {"display": row.recipient_name}}]},
    }  # fmt: skip


def _receipt(row: Disclosure) -> Resource:
    return {
        "resourceType": "AuditEvent", "id": str(row.public_id), "type": {"code": "disclosure"},
        "recorded": (row.sent_at or row.planned_at).isoformat(), "outcomeDesc": row.state,
        "agent": [{"name": row.recipient_name, "requestor": False}], "source": {"observer": {"display": "ehrcommerce"}},
        "entity": [{"what": {"reference": "Patient/me"}, "detail": [
            {"type": "element", "valueString": name} for name in row.elements.split(",") if name]}],
    }  # fmt: skip


def _without_empty(resource: Mapping[str, Any]) -> Resource:
    return {name: value for name, value in resource.items() if value not in (None, "", [], {}, {"display": None}, [""])}
