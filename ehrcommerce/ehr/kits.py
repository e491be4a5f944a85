"""A kit that goes out without asking each time: only on a yes that the patient gave before, to this very laboratory; free
of charge, to a whole address, under a live agreement. Where one of these does not hold, the patient is asked by a link."""

import re
from dataclasses import dataclass
from datetime import datetime

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.checkout.forms import ZIP
from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import pricing
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.errors import NotSoldThere, OrderProblem
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.ehr.models import AutomaticAct
from ehrcommerce.policy.packets import KIT, ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import NoSupplier

# Laboratories' carriers bring no specimen kit to a post office box.
_BOX = re.compile(r"\bP\.?\s*O\.?\s*BOX\b|\bPOST\s+OFFICE\s+BOX\b|\bAPARTADO\s+POSTAL\b", re.IGNORECASE)


class NotWithoutAsking(Exception):
    """This kit may not go out without asking the patient; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Ready:
    """Where it goes, and who sends it."""

    ship_to: ShipTo
    supplier: Supplier


def standing(organization_id: int, customer_key: str, *, lock: bool = False) -> list[Consent]:
    """The patient's yes to kits to come."""
    return consent.standing(organization_id=organization_id, customer_key=customer_key, purpose=KIT, lock=lock)


def ready(act: AutomaticAct, product: Product, *, by: Actor, at: datetime) -> Ready:
    """What can be known before anything is written. The address is read only where there is a yes. Raises
    NotWithoutAsking, and what the chart port raises."""
    where = act.organization_id
    if not standing(where, act.customer_key):
        raise NotWithoutAsking("no_consent")
    if product.price_cents != 0:
        raise NotWithoutAsking("not_free")
    ship_to = chosen.chart().ship_to(organization_id=where, customer_key=act.customer_key, by=str(by))
    if ship_to is None or not is_whole(ship_to):
        raise NotWithoutAsking("address")
    try:
        supplier = chosen.choose(organization_id=where, port=Port.KIT, at=at, state=ship_to.state)
    except NoSupplier as problem:
        raise NotWithoutAsking("no_supplier") from problem
    return Ready(ship_to, supplier)


def is_whole(ship_to: ShipTo) -> bool:
    """Whether a parcel can be sent there as it stands in the chart."""
    whole = ship_to.name and ship_to.line and ship_to.city and ship_to.state and ship_to.country == "US"
    return bool(whole) and ZIP.fullmatch(ship_to.postal_code.strip()) is not None and not _BOX.search(ship_to.line)


def ship(offer: Offer, what: Ready, *, by: Actor, at: datetime) -> None:
    """Order this offer in the patient's name, on their standing yes. In the caller's transaction; raises NotWithoutAsking,
    and then nothing of it may stay."""
    supplier = what.supplier
    try:
        chosen.usable(supplier, at=at)
    except NoSupplier as problem:
        raise NotWithoutAsking("no_supplier") from problem
    given = [
        one for one in standing(offer.organization_id, offer.customer_key, lock=True) if one.recipient == supplier.party
    ]
    if not given:
        raise NotWithoutAsking("no_consent")
    link, lines = offer.links.get(), lines_of(offer)
    try:
        quote = pricing.delivered(pricing.quote(lines), lines, state=what.ship_to.state, on=link.day_of(at))
    except NoRule as problem:
        raise NotWithoutAsking("not_sold_there") from problem
    if quote.total_cents:
        raise NotWithoutAsking("not_free")
    agreed = payloads.agreed(lines, kind=KIT, supplier=supplier)
    consent.follow(given[0], subject=str(offer.public_id), payload_digest=agreed, by=by, at=at)
    try:
        orders.place_order(
            link=link, quote=quote, ship_to=what.ship_to, language=offer.language, by=by, at=at, standing=True
        )
    except (OrderProblem, NotSoldThere) as problem:
        raise NotWithoutAsking(type(problem).__name__) from problem
