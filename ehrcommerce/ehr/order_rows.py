"""The rows of the clinician's page: each order of the chart with its product, price and what can be done about it.
Every order that was read gets a row, and every row that cannot be sent says why and who can change that."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from ehrcommerce.accounts.models import Role, User
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.catalog.plausible import Doubt
from ehrcommerce.commerce.offers import helping
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import CHANGED, LIVE_LINK, LinkState, Offer, PurchaseLink
from ehrcommerce.commerce.offers.services import Sent
from ehrcommerce.commerce.orders import fills
from ehrcommerce.ehr import automation
from ehrcommerce.ehr.days import day_words
from ehrcommerce.ehr.models import ActState, AutomaticAct
from ehrcommerce.policy import terms
from ehrcommerce.policy.digests import digest
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, ChartPage
from ehrcommerce.policy.refusals import REFUSALS, Refusal

LINK_WORDS = {
    LinkState.DRAFT: "Waits for a prescriber", LinkState.SENT: "Link sent", LinkState.OPENED: "Link opened, not paid",
    LinkState.VERIFIED: "Patient is at checkout", LinkState.LOCKED: "Locked after wrong answers",
    LinkState.EXPIRED: "Too old", LinkState.SUPERSEDED: "Replaced by a newer link", LinkState.REVOKED: "Taken back",
    LinkState.COMPLETED: "Ordered",
}  # fmt: skip
CHANGED_WORDS = "Changed in the chart: the link ended"
ASKED_WORDS = "The patient asks for a new link"
PRINTED_WORDS, DECLINED_WORDS = "Link printed", "Patient said no thanks"
ORDER_WORDS = {
    "quoted": "Waiting for payment", "authorized": "Paid, being prepared", "gated": "Waiting for the chart",
    "dispatched": "Sent to the supplier", "accepted": "Accepted by the supplier", "shipped": "Shipped",
    "delivered": "Delivered", "completed": "Delivered", "cancel_requested": "Being canceled", "cancelled": "Canceled",
    "refused": "Refused by the supplier", "returned": "Returned", "exception": "Needs help", "unknown": "Being checked",
}  # fmt: skip
# An order in one of these is over: the same chart order may be sent again.
OVER = ("cancelled", "refused", "returned")
# What arrived stands, but for the next fill of a prescription.
ARRIVED = ("delivered", "completed")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a clinician reads of a link and its order. `stands`: an order goes on, so nothing may be sent again; `arrived`: it
    goes on in name only; `over`: it was ordered and that is over; `declined`: the patient said no, and may change their mind."""

    words: str
    stands: bool = False
    arrived: bool = False
    over: bool = False
    declined: bool = False
    asks: bool = False  # the link ended, and the patient wants a new one


@dataclass(frozen=True, slots=True)
class Row:
    """One order as the clinician sees it."""

    order: ChartOrder
    product: Product | None
    refusal: Refusal | None
    sent: Sent | None
    progress: Progress
    ticked: bool
    today: bool
    quantity: int = 1
    released: bool = False
    act: AutomaticAct | None = None
    # Of a prescription that arrived: how many more fills the prescriber allows, which a clinician may start by hand.
    fills_left: int = 0
    # Values that are likely a slip, for the prescriber; `mine`: whoever looks signed this order.
    unusual: tuple[Doubt, ...] = ()
    mine: bool = False
    confirmed: bool = False
    # Why the same product may be on its way already (twins.py).
    twin: str = ""

    @property
    def waits(self) -> bool:
        """A rule will act on it, unless somebody says no."""
        return self.act is not None and self.act.state == ActState.WAITING and not self.paid

    @property
    def prepared(self) -> bool:
        """A rule has prepared it: one press sends it."""
        return self.act is not None and self.act.state == ActState.PREPARED and self.selectable and self.sent is None

    @property
    def drafted(self) -> bool:
        """Somebody prepared it, and a prescriber sends it."""
        return self.sent is not None and self.sent.link.state == LinkState.DRAFT

    @property
    def by_rule(self) -> bool:
        """Whether a rule sent what is out."""
        return self.sent is not None and self.sent.offer.by_rule is not None

    @property
    def key(self) -> str:
        return self.order.item.key

    @property
    def digest(self) -> str:
        return digest(self.order.item).hex()

    @property
    def paid(self) -> bool:
        """Ordered, and nothing of it may be sent again; the next fill may."""
        return self.progress.stands and not self.fills_left

    @property
    def no_fills(self) -> bool:
        """A prescription that arrived and may not be filled again: its prescriber is told here as well."""
        return self.refusal is None and self.progress.arrived and self.order.item.kind == PRESCRIPTION and not self.fills_left

    @property
    def selectable(self) -> bool:
        return self.refusal is None and not self.paid

    @property
    def held(self) -> tuple[str, ...]:
        """Words of the directions that may tell why: the clinician releases them, or leaves the order out."""
        return self.order.state.held if self.selectable else ()

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What the prescriber must look at; nothing where the order is not sent anyway."""
        return self.unusual if self.selectable else ()

    @property
    def words(self) -> tuple[tuple[str, bool], ...]:
        """The directions in pieces, the held words marked."""
        item = self.order.item
        return terms.marked(", ".join(filter(None, (item.directions, item.timing))), self.order.state.held)

    @property
    def ordered(self) -> str:
        """`Today` or `15-Nov-2025`, as precise as the chart has it: never a guess."""
        return "Today" if self.today else day_words(self.order.item.ordered_on)

    @property
    def priced(self) -> bool:
        return self.refusal is None and self.product is not None and self.product.price_cents is not None

    @property
    def price_cents(self) -> int:
        """What the patient pays without a plan: all pieces of the order."""
        return (self.product.price_cents or 0) * self.quantity if self.product else 0

    @property
    def needs_proof(self) -> bool:
        return (
            self.selectable
            and self.order.item.kind == PRESCRIPTION
            and not (self.product and self.product.over_the_counter)
        )

    @property
    def details(self) -> str:
        item = self.order.item
        quantity = " ".join(part for part in (item.quantity, item.quantity_unit) if part)
        return ", ".join(part for part in (item.directions or item.timing, quantity) if part)


def rows_of(page: ChartPage, *, user: User, today: date, focus: Sequence[str]) -> list[Row]:
    """All orders of the page, those of today first. Notes codes that no product answers to for the catalog team."""
    from ehrcommerce.ehr import twins  # which knows rows

    organization_id = user.organization_id
    matches = catalog.match_all([order.item for order in page.orders], organization_id=organization_id)
    sent = offers.sent_for(organization_id=organization_id, customer_key=page.recipient.customer_key, also=["orders"])
    newest = offers.newest_by_order(sent)
    acts = automation.newest_by_order(
        automation.acts_of(organization_id=organization_id, customer_key=page.recipient.customer_key)
    )
    unusual = catalog.doubts_about((order.item, matches[order.item.key].product) for order in page.orders)
    rows = [
        replace(
            _with_act(_row(page, order, matches[order.item.key], newest, user, today, focus), acts.get(order.item.key)),
            unusual=unusual[order.item.key], mine=offers.is_prescriber(user, order.item),
        )
        for order in page.orders
    ]
    rows = [replace(row, ticked=False) if row.doubts else row for row in rows]
    rows = sorted(rows, key=lambda row: (not row.today, not row.selectable, _newest_first(row), row.order.item.name))
    return twins.marked(rows, sent)


def _newest_first(row: Row) -> int:
    digits = row.order.item.ordered_on[:10].replace("-", "")
    return -int(digits) if digits.isdigit() else 0


def _row(
    page: ChartPage, order: ChartOrder, match: catalog.Match, newest: Mapping[str, Sent], user: User,
    today: date, focus: Sequence[str],
) -> Row:  # fmt: skip
    code = page.banner.refusal or _code(order, match) or _private(page, order, match, user)
    refusal = REFUSALS[code] if code else None
    sent = newest.get(order.item.key)
    progress = progress_of(sent.offer, sent.link) if sent else Progress("")
    # The EHR's clock may be ahead of the clinic's own day.
    is_today = order.item.ordered_on[:10] >= today.isoformat()
    fills_left = 0
    if refusal is None and progress.arrived and order.item.kind == PRESCRIPTION:
        fills_left = fills.left(order.item, organization_id=user.organization_id)
    drafted = sent is not None and sent.link.state == LinkState.DRAFT
    ready = refusal is None and (sent is None or progress.asks or drafted) and not order.state.held
    mine = _same(order.item.orderer_npi, user.npi) or _same(order.item.orderer_name, user.display_name)
    waits_for_me = drafted and user.role == Role.PRESCRIBER
    chosen = order.item.key in focus if focus else waits_for_me or (is_today and mine and not drafted)
    return Row(
        order, match.product, refusal, sent, progress, ticked=ready and chosen, today=is_today,
        quantity=match.quantity, fills_left=fills_left,
    )  # fmt: skip


def _code(order: ChartOrder, match: catalog.Match) -> str:
    """What nobody can change is said before what the chart could: a controlled medicine that is renewed stays one."""
    found = [code for code in (order.state.refusal, match.refusal) if code]
    return next((code for code in found if not REFUSALS[code].can_be_changed), found[0] if found else "")


def _with_act(row: Row, act: AutomaticAct | None) -> Row:
    """What a rule prepared is chosen; what it will send by itself is not, since then it would go out twice."""
    row = replace(row, act=act)
    return replace(row, ticked=(row.ticked or (row.prepared and not row.held)) and not row.waits)


def _private(page: ChartPage, order: ChartOrder, match: catalog.Match, user: User) -> str:
    """A minor decides alone on it: no helper may see it."""
    if not page.recipient.needs_helper or match.product is None:
        return ""
    private = helping.is_private(user.organization, kind=order.item.kind, sku=match.product.sku)
    return "minor_private" if private else ""


def _same(ordered_by: str, user: str) -> bool:
    """Two names that are there and equal: nobody is not the same person as nobody."""
    return bool(ordered_by.strip()) and ordered_by == user


def stands(offer: Offer) -> bool:
    """Whether an order of this offer still goes on: then its items are not sent a second time."""
    return any(order.state not in OVER for order in offer.orders.all())


def stands_unless_filled_again(rows: Iterable[Row]) -> Callable[[Offer], bool]:
    """The same for what a clinician chose: an order that arrived is in the way of everything but the next fill."""
    chosen = {row.key: bool(row.fills_left) for row in rows}

    def check(older: Offer) -> bool:
        going_on = [order.state for order in older.orders.all() if order.state not in OVER]
        if not going_on or any(state not in ARRIVED for state in going_on):
            return bool(going_on)
        return not all(chosen.get(line.order_key, True) for line in older.lines.all())

    return check


def progress_of(offer: Offer, link: PurchaseLink) -> Progress:
    """Where an offer stands: its order, where one goes on; else its link, and whether the patient said no."""
    orders = [order for order in offer.orders.all() if order.state not in OVER]
    if orders:
        arrived = all(order.state in ARRIVED for order in orders)
        return Progress(ORDER_WORDS[orders[0].state], stands=True, arrived=arrived)
    over = list(offer.orders.all())
    if link.state == LinkState.COMPLETED:
        return Progress(ORDER_WORDS[over[-1].state] if over else "", over=True)
    if link.asked_again_at and link.state not in LIVE_LINK:
        return Progress(ASKED_WORDS, asks=True)
    if link.state in LIVE_LINK and link.declined_at:
        return Progress(DECLINED_WORDS, declined=True)
    if link.state == LinkState.SENT and link.is_printed:
        return Progress(PRINTED_WORDS)
    if link.state == LinkState.SUPERSEDED and link.end_reason == CHANGED:
        return Progress(CHANGED_WORDS)
    return Progress(LINK_WORDS[LinkState(link.state)])
