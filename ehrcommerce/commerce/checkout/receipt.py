"""The receipt of one order: what its page shows, and the same on paper as a tagged PDF, with the names of the items or
without. Both are made from one set of values, so that they cannot differ."""

from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ehrcommerce.accounts.models import Organization
from ehrcommerce.accounts.typesetting import tagged_pdf
from ehrcommerce.commerce.catalog.templatetags.money import dollars
from ehrcommerce.commerce.checkout import tracker
from ehrcommerce.commerce.checkout.directions import amount_of
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import MoneyState
from ehrcommerce.policy.packets import ShipTo

TEMPLATE = "checkout/receipt.typ"
MINUS = "\N{MINUS SIGN}"


def values_of(order: Order, *, language: str, plain: bool) -> dict[str, Any]:
    """What the page shows. plain: without the names of the items."""
    lines = list(order.lines.select_related("offer_line__product").order_by("pk"))
    sums = tracker.sums_of(lines, order.fees.all())
    items = [
        (line.offer_line.name(language), amount_of(line.offer_line.product.quantity_basis, language), line)
        for line in lines
    ]
    return {
        "order": order, "items": items, "ship_to": ShipTo(**order.ship_to) if order.ship_to else None,
        "plain": plain, "money": tracker.money_words(order),
        "plan": f"{MINUS}{dollars(sums.plan_cents)}" if order.uses_plan else "", "sums": sums,
        "ended": tracker.ended(order), "moved": tracker.moved(order), **tracker.replacement(order),
        "suppliers": sorted({one.supplier.name for one in order.fulfillments.select_related("supplier")}),
    }  # fmt: skip


def pdf(order: Order, *, clinic: Organization, language: str, plain: bool) -> bytes:
    """US Letter, tagged (PDF/UA-1), so that a screen reader reads it. In the language that is active."""
    data = {"title": _("Receipt"), "language": language, **_sheet(values_of(order, language=language, plain=plain), clinic)}
    return tagged_pdf(TEMPLATE, data)


def _sheet(values: dict[str, Any], clinic: Organization) -> dict[str, Any]:
    ended = bool(values["ended"])
    owed = [] if ended else [_("You pay")]
    after = [_("We sent it again. You did not pay for it again.")] if values["sent_again"] else []
    if not ended and values["order"].money != MoneyState.CAPTURED:
        after.append(values["money"])
    return {
        "note": f"{values['ended']} {values['money']}" if ended else "",
        "facts": _facts(values, clinic),
        "head": [_("Item"), _("Full price"), *owed],
        "items": _items(values, ended),
        "parts": [part for part in (None if ended else _cost(values), _moved(values)) if part],
        "after": after,
    }


def _facts(values: dict[str, Any], clinic: Organization) -> list[tuple[str, str]]:
    order, ship_to = values["order"], values["ship_to"]
    facts = [
        (_("Order"), order.number), (_("Date"), date_format(order.placed_at, _("F j, Y"))),
        (_("From"), f"{clinic.alias}, {clinic.phone}"),
    ]  # fmt: skip
    if values["suppliers"]:
        facts.append((_("Filled by"), ", ".join(values["suppliers"])))
    if ship_to:
        place = f"{ship_to.name}, {ship_to.line}, {ship_to.city}, {ship_to.state} {ship_to.postal_code}"
        facts.append((_("Sent to"), place))
    return facts


def _items(values: dict[str, Any], ended: bool) -> list[list[str]]:
    rows = []
    for number, (name, basis, line) in enumerate(values["items"], start=1):
        named = _("Item %(number)s") % {"number": number} if values["plain"] else f"{name}\n{basis.text}".strip()
        if line.accepted is False:
            named += "\n" + _("Not filled. You do not pay for it.")
        rows.append([named, dollars(line.full_cents), *([] if ended else [dollars(line.patient_cents)])])
    return rows


def _cost(values: dict[str, Any]) -> dict[str, Any]:
    sums = values["sums"]
    rows = [
        (_("Full price"), dollars(sums.full_cents)), (_("Your plan pays"), values["plan"] or _("Not used")),
        (_("Shipping"), dollars(sums.shipping_cents)), (_("Sales tax"), dollars(sums.tax_cents)),
        (_("You pay"), dollars(sums.total_cents)),
    ]  # fmt: skip
    return {"name": _("What it costs"), "head": [_("Part"), _("Amount")], "rows": rows}


def _moved(values: dict[str, Any]) -> dict[str, Any]:
    rows = [(str(one.label), one.amount) for one in values["moved"]]
    return {"name": _("Money that moved"), "head": [_("Part"), _("Amount")], "rows": rows}
