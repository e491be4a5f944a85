"""The next fill of a medicine, offered before the patient runs out (J6). Its day is worked out once, when a parcel arrives:
days of supply, less the days that parcels take and a few more. On that day the prescription is read again, and only if it
stands as it was, allows one more and is not on its way already, the patient gets a link. Nobody pays or gets anything
without pressing. Waiting is a row that the sweeper finds, never a message in the broker."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.fulfillment.models import Fulfillment, FulfillmentLine, Shipment
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import LIVE_LINK, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import fills
from ehrcommerce.commerce.orders.models import Order, OrderLine
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.ehr import chart, leaving
from ehrcommerce.ehr.automatic import GONE, GONE_ONCE, ONCE_MORE_S, asking
from ehrcommerce.ehr.models import Refill, RefillState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy.digests import digest, from_json
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, OrderedItem, RecipientFacts

KIND = "ehr.refill"
LEAD, MOST_TRANSIT, LATE = timedelta(days=5), 14, timedelta(days=30)
MOST_DAYS = 400
BATCH = 100
ARRIVED = (OrderState.DELIVERED, OrderState.COMPLETED)
# An order in one of these has come to its end: the next fill may follow it.
DONE = (OrderState.DELIVERED, OrderState.COMPLETED, OrderState.CANCELLED, OrderState.REFUSED, OrderState.RETURNED)
NO_REFILLS, CHANGED = "no_refills_left", "refill_changed"
# Ends that a clinician has to hear of: the patient still takes it, and no refill comes.
FOR_CLINICIAN = frozenset({NO_REFILLS, CHANGED, "expired", "too_old", "refill_no_contact", "refill_not_sold"})


# ------------------------------------------------------------------------------------------------------------- its day
def plan_due(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: each delivered fill gets the day of the next one, once."""
    arrived = Fulfillment.objects.filter(organization_id=organization_id, kind=PRESCRIPTION, state__in=ARRIVED)
    brought = FulfillmentLine.objects.filter(fulfillment__in=arrived).values("order_line_id")
    lines = OrderLine.objects.filter(pk__in=brought, refill=None).exclude(accepted=False)
    found = list(lines.select_related("offer_line__product", "offer_line__offer", "order").order_by("pk")[:BATCH])
    return sum(_plan(line, at) for line in found)


def _plan(line: OrderLine, at: datetime) -> bool:
    parcels = Shipment.objects.filter(fulfillment__lines__order_line=line).exclude(delivered_at=None)
    parcel = parcels.order_by("-delivered_at").first()
    delivered_at = parcel.delivered_at if parcel and parcel.delivered_at else line.order.changed_at
    packet = line.offer_line.packet
    item = from_json(packet) if packet else None
    supply = days_of(item, line.offer_line.product) if item else 0
    transit = min(max((delivered_at - parcel.shipped_at).days, 0), MOST_TRANSIT) if parcel else 0
    with transaction.atomic():
        row, new = Refill.objects.get_or_create(
            after=line,
            defaults={
                "organization_id": line.organization_id, "number": _number(line) + 1,
                "allowed": fills.allowed(item) if item else 1, "delivered_at": delivered_at, "days_supply": supply,
                "transit_days": transit, "due_at": delivered_at + timedelta(days=supply - transit) - LEAD,
            },
        )  # fmt: skip
        if not new:
            return False
        if not supply:
            end(row, "supply_not_known", by=_actor(row), at=at)
            return False
        outbox.plan(
            kind=KIND, subject=str(row.public_id), organization_id=row.organization_id, at=at,
            run_at=max(row.due_at, at), deadline_at=max(row.due_at, at) + LATE,
        )  # fmt: skip
    return True


def days_of(item: OrderedItem, product: Product) -> int:
    """How long a fill lasts: the chart's own days, else the product's; 0 where nobody says, and for what is taken as
    needed, which has no day on which it is used up."""
    if "as needed" in item.timing.casefold():
        return 0
    said = item.days_supply.strip()
    days = int(said) if said.isascii() and said.isdigit() else product.days_supply or 0
    return days if days <= MOST_DAYS else 0


def _number(line: OrderLine) -> int:
    fill = getattr(line, "fill", None)
    if fill is not None:
        return int(fill.number)
    return fills.filled(line.offer_line)


def _actor(row: Refill) -> Actor:
    return Actor("refill", str(row.public_id))


# ------------------------------------------------------------------------------------------------------------- on its day
class NextFill(Handler):
    """One refill. What goes out of the house, the link's message, is an effect of its own."""

    kind = KIND
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        rows = Refill.objects.select_related("after__offer_line__offer__made_by__organization", "after__offer_line__product")
        row = rows.filter(public_id=effect.subject).first()
        if row is None or row.state != RefillState.WAITING:
            raise Halt(Refused("not_wanted"))
        why = _offer_or_why(row, effect, timezone.now())
        if why:
            _end(row, why, timezone.now())
            raise Halt(NeedsHuman(why) if why in FOR_CLINICIAN else Refused(why))
        return b""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves here."""
        return Done()

    def ask(self, effect: Effect) -> Outcome:
        return Done()

    def overdue(self, effect: Effect) -> Outcome:
        return Refused("too_late")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """What could not be found out in a month is not offered any more."""
        if isinstance(outcome, Refused):
            row = Refill.objects.select_for_update().filter(public_id=effect.subject).first()
            if row is not None and row.state == RefillState.WAITING:
                end(row, outcome.code, by=_actor(row), at=timezone.now())


def _offer_or_why(row: Refill, effect: Effect, at: datetime) -> str:
    """"" where the next fill was offered; else why not."""
    before, where, by = row.after.offer_line, row.organization_id, str(_actor(row))
    with asking():
        order = chart.EhrChart().current(organization_id=where, keys=[before.order_key], by=by)[before.order_key]
        if order is None:
            if effect.code != GONE_ONCE:
                raise Halt(TryAgain(GONE_ONCE, after_s=ONCE_MORE_S))
            return GONE
        if why := why_not(order, before):
            return why
        match = catalog.match(order.item, organization_id=where)
        if match.product is None or match.refusal:
            return "refill_not_sold"
        recipient = chart.recipient(organization_id=where, customer_key=before.offer.customer_key, by=by)
    return "refill_no_contact" if not recipient.contacts else _offer(row, order, match.product, recipient, at)


def why_not(order: ChartOrder, before: OfferLine) -> str:
    """Why the prescription as it stands now gives no next fill by itself; "" where it does."""
    if order.state.refusal:
        return order.state.refusal
    if digest(order.item) != bytes(before.digest):
        return CHANGED
    if fills.filled(before) >= fills.allowed(order.item):
        return NO_REFILLS
    if order.state.held and before.released_at is None:
        return "words_held"
    return "already_offered" if _goes_on(before) else ""


def _goes_on(before: OfferLine) -> bool:
    """Whether the patient has the next fill already, or a link to it: nobody is reminded of what was just ordered."""
    mine = OfferLine.objects.filter(organization_id=before.organization_id, order_key=before.order_key)
    later = mine.filter(pk__gt=before.pk).values("offer")
    orders = Order.objects.filter(offer__in=mine.values("offer"))
    return (
        PurchaseLink.objects.filter(offer__in=mine.values("offer"), state__in=LIVE_LINK).exists()
        or orders.filter(offer__in=later).exclude(state__in=fills.NOT_FILLED).exists()
        or orders.exclude(state__in=DONE).exists()
    )


@transaction.atomic(durable=True)
def _offer(row: Refill, order: ChartOrder, product: Product, recipient: RecipientFacts, at: datetime) -> str:
    """The next fill's link, once: under the patient's lock and the row's own."""
    before = row.after.offer_line
    offers.alone_with(row.organization_id, before.offer.customer_key)
    locked = Refill.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if locked.state != RefillState.WAITING:
        return ""
    if why := why_not(order, before):  # somebody was quicker than this reading
        return why
    line = offers.NewLine(order, product, routing_proof=before.routing_proof, released_before=before)
    try:
        with transaction.atomic():
            link = offers.write_offer(
                lines=[line], recipient=recipient, send_to=recipient.contacts[0], by=before.offer.made_by, at=at,
                language=before.offer.language, elements=leaving.elements_of([order.item]), stands=_stands,
                rule=offers.Rule(row.public_id, kind="refill"), after=before.offer,
            )  # fmt: skip
    except offers.OfferProblem as problem:
        return type(problem).__name__
    locked.state, locked.offer, locked.ended_at = RefillState.OFFERED, link.offer, at
    locked.allowed = fills.allowed(order.item)
    locked.number = fills.filled(before) + 1
    locked.save(update_fields=["state", "offer", "ended_at", "allowed", "number"])
    return ""


def _stands(offer: Offer) -> bool:
    """An order that goes on stands in the way; one that arrived is the fill before."""
    return any(order.state not in DONE for order in offer.orders.all())


def _end(row: Refill, code: str, at: datetime) -> None:
    with transaction.atomic():
        locked = Refill.objects.select_for_update().get(pk=row.pk)
        if locked.state == RefillState.WAITING:
            end(locked, code, by=_actor(locked), at=at)


def end(row: Refill, code: str, *, by: Actor, at: datetime) -> None:
    """A locked row that is not offered."""
    row.state, row.code, row.ended_at = RefillState.ENDED, code[:48], at
    row.save(update_fields=["state", "code", "ended_at"])
    audit.record(
        organization_id=row.organization_id, by=by, action="refill.ended", entity=f"refill:{row.public_id}", at=at,
        reason=code[:64],
    )  # fmt: skip
