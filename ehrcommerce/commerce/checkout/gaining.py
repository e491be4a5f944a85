"""What a recipient gets, in the patient's words: derived from the table (policy/table.py, policy/outward.py) and said once for
the consent that is asked and the receipt that is read. A row that is added to the table changes both.

Each field of a packet has its words here; several fields may share them. A field without words is told as "other facts" rather
than left out, and a test fails until somebody has found words for it."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from ehrcommerce.commerce.fulfillment.payloads import HOP_OF
from ehrcommerce.disclosure.models import Disclosure
from ehrcommerce.policy import derive, table
from ehrcommerce.policy.outward import OUTWARD
from ehrcommerce.suppliers.models import Supplier

HOPS = {**HOP_OF, table.ELIGIBILITY: table.PAYER}
# Numbers of ours that say nothing of the patient: they are in the table, and not worth the patient's time.
OPAQUE = frozenset({
    "SupplyRequest.reference", "EligibilityRequest.reference", "EligibilityLine.line_id", "EligibilityLine.system",
    "Shipment.tracking_number",
})  # fmt: skip


def _phrases() -> dict[str, tuple[str, ...]]:
    """Words -> the fields that they stand for, in the order in which they are said. Made anew for each language."""
    return {
        _("your name"): ("ShipTo.name", "DispatchFacts.name"),
        _("your birth date"): ("DispatchFacts.birth_date",),
        _("your address"): ("ShipTo.line", "ShipTo.city", "ShipTo.state", "ShipTo.postal_code", "ShipTo.country"),
        _("what was ordered and how much"): (
            "OrderedItem.name", "OrderedItem.codings", "OrderedItem.form", "OrderedItem.quantity",
            "OrderedItem.quantity_unit",
        ),
        _("which item to send, and how many"): ("SupplyLine.sku", "SupplyLine.quantity"),
        _("its size or side"): ("OrderedItem.parameters",),
        _("when it is needed"): ("OrderedItem.occurrence",),
        _("how to use it"): (
            "OrderedItem.directions", "OrderedItem.dose", "OrderedItem.timing", "OrderedItem.route",
        ),
        _("how long it lasts and how often you may get it again"): (
            "OrderedItem.days_supply", "OrderedItem.repeats", "OrderedItem.valid_until",
        ),
        _("if a generic is fine"): ("OrderedItem.substitution",),
        _("who ordered it, and when"): (
            "OrderedItem.orderer_name", "OrderedItem.orderer_npi", "OrderedItem.ordered_on",
        ),
        _("how the prescription gets there"): ("OfferLine.routing_proof",),
        _("your clinic's answer, if they ask"): ("Fulfiller.answer",),
        _("your plan and your numbers there"): (
            "CoverageFacts.payer_name", "CoverageFacts.payer_id", "CoverageFacts.member_id", "CoverageFacts.relationship",
            "CoverageFacts.group", "CoverageFacts.plan", "CoverageFacts.rx_bin", "CoverageFacts.rx_pcn",
            "CoverageFacts.rx_group",
        ),
        _("the codes and prices of your items"): (
            "EligibilityLine.code", "EligibilityLine.price_cents", "EligibilityLine.service_type",
        ),
        _("who at the clinic asks"): ("EligibilityRequest.provider_npi",),
    }  # fmt: skip


def fields_of(purpose: str, *, birth_date: bool) -> frozenset[str]:
    """Every field that the table lets this recipient have for this purpose. `birth_date`: it is one that needs it."""
    rows = derive.rows(purposes=_purposes(purpose, birth_date)) + OUTWARD
    return frozenset(row.field for row in rows if row.field and _goes(row, purpose, birth_date))


def _purposes(purpose: str, birth_date: bool) -> tuple[str, ...]:
    if purpose == table.ELIGIBILITY:
        return (purpose,)
    return (purpose, table.SHIPPING, *((table.DISPENSING,) if birth_date else ()))


def _goes(row: table.Crossing, purpose: str, birth_date: bool) -> bool:
    return HOPS[purpose] in row.recipients and row.purpose in _purposes(purpose, birth_date)


def fields_in(receipt: Disclosure) -> frozenset[str]:
    """The fields of what went out, by the names of elements that the receipt kept; with what is no element of the chart."""
    if receipt.purpose not in HOPS:
        return frozenset()
    went = set(receipt.elements.split(",")) - {""}
    rows = derive.rows(purposes=_purposes(receipt.purpose, True))
    known = {f"{row.resource}.{row.element}" for row in rows}
    found = {
        row.field for row in rows
        if row.field and f"{row.resource}.{row.element}" in went and HOPS[receipt.purpose] in row.recipients
    }  # fmt: skip
    found |= {row.field for row in OUTWARD if _goes(row, receipt.purpose, True)}
    return frozenset(found | {f"?{one}" for one in went - known})


def said(fields: Iterable[str]) -> str:
    """The words for these fields, each once. A field without words is "other facts of your order"."""
    left, parts = set(fields) - OPAQUE, list[str]()
    for phrase, names in _phrases().items():
        if left & set(names):
            parts.append(phrase)
        left -= set(names)
    if left:
        parts.append(_("other facts of your order"))
    if len(parts) < 2:
        return "".join(parts)
    return _("%(some)s, and %(last)s") % {"some": ", ".join(parts[:-1]), "last": parts[-1]}


def gets(purpose: str, supplier: Supplier) -> str:
    """What this recipient would learn."""
    birth_date = purpose == table.PRESCRIPTION and supplier.needs_birth_date
    return said(fields_of(purpose, birth_date=birth_date))


def got(receipt: Disclosure) -> str:
    """What it learned."""
    return said(fields_in(receipt))
