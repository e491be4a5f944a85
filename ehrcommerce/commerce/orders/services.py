"""Place an order, start its payment, look how the payment stands, cancel. Everything outward is an effect."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import stock
from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.offers import links
from ehrcommerce.commerce.offers.models import OfferLine, PurchaseLink
from ehrcommerce.commerce.orders import errors, fills, money, moves, pricing, signals
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order, OrderFee, OrderLine, Payment
from ehrcommerce.commerce.orders.pricing import Quote, QuoteLine
from ehrcommerce.commerce.orders.states import IllegalMove, MoneyState, OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port
from ehrcommerce.suppliers.ports import PaymentRequest

# Read aloud on the phone: nothing that sounds or looks like something else.
NUMBER_ALPHABET = "346789ACDEFGHJKMNPQRTUVWXY"
OVER = (OrderState.CANCELLED, OrderState.REFUSED)
RECONCILE_FIRST = "reconcile_first"
# How long the processor's page takes a payment; a patient who comes later begins a new one. Counted from the row, so that
# every try asks for the same.
PAGE_LIVES = timedelta(hours=2)
GONE = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED, OrderState.RETURNED)


@transaction.atomic
def place_order(
    *, link: PurchaseLink, quote: Quote, ship_to: ShipTo, language: str, by: Actor, at: datetime, standing: bool = False
) -> Order:
    """Turn the confirmed quote of a verified link into one order. The same link again gives the same order.

    standing: nobody confirmed it, since the patient said yes to such orders before: then the link was never opened.

    quote: covers exactly the offer's lines at the offer's prices, with shipping and tax to `ship_to`, else
    QuoteChanged. Limited stock is reserved: SoldOut. Raises LinkOver, NotSoldThere, NoFillLeft.
    """
    locked = PurchaseLink.objects.select_for_update(of=("self",)).select_related("offer").get(pk=link.pk)
    earlier = Order.objects.filter(offer=locked.offer).exclude(state__in=OVER).first()
    if earlier is not None:
        return earlier
    lines = list(OfferLine.objects.filter(offer=locked.offer).select_related("product", "offer").order_by("pk"))
    pairs = _paired(lines, quote)
    _require_delivery(locked, lines, quote, ship_to, at)
    if not links.spend(link_id=locked.pk, at=at, standing=standing):
        raise errors.LinkOver
    fills.require_left(lines)
    taken = _reserve(pairs)
    order = _write_order(locked, quote, ship_to, language, at)
    bought = []
    for line, priced in pairs:
        one = OrderLine.objects.create(
            organization_id=order.organization_id, order=order, offer_line=line, quantity=priced.quantity,
            full_cents=priced.full_cents, plan_cents=priced.plan_cents, patient_cents=priced.patient_cents,
            tax_cents=priced.tax_cents, reserved=priced.quantity if line.product.pk in taken else 0,
        )  # fmt: skip
        bought.append(one)
    for one in sorted(bought, key=lambda each: each.offer_line.order_key):  # locks in one order, whoever takes them
        fills.take(one, at=at)
    for fee in quote.fees:
        OrderFee.objects.create(
            organization_id=order.organization_id, order=order, kind=fee.kind, cents=fee.cents, tax_cents=fee.tax_cents
        )
    note(order, Code.PLACED, by=by, at=at)
    audit.record(
        organization_id=order.organization_id, by=by, action="order.placed", entity=f"order:{order.public_id}", at=at,
        customer_key=locked.offer.customer_key,
    )  # fmt: skip
    if order.total_cents == 0:
        moves.move(order, state=OrderState.AUTHORIZED, by=by, at=at)
        signals.authorized.send(sender=Order, order=order, at=at)
    return order


def _paired(lines: list[OfferLine], quote: Quote) -> list[tuple[OfferLine, QuoteLine]]:
    """Each offer line with its confirmed price (REL-P26)."""
    priced = {line.offer_line_public_id: line for line in quote.lines}
    pairs = [(line, priced[str(line.public_id)]) for line in lines if str(line.public_id) in priced]
    right = all(
        (line.quantity, line.price_cents * line.quantity) == (one.quantity, one.full_cents)
        and one.plan_cents + one.patient_cents == one.full_cents
        for line, one in pairs
    )
    if not right or not len(pairs) == len(lines) == len(quote.lines):
        raise errors.QuoteChanged
    return pairs


def _require_delivery(link: PurchaseLink, lines: list[OfferLine], quote: Quote, ship_to: ShipTo, at: datetime) -> None:
    """Shipping and tax are those of this address and this day, to the cent (REL-P26)."""
    try:
        now = pricing.delivered(pricing.undelivered(quote), lines, state=ship_to.state, on=link.day_of(at))
    except NoRule as problem:
        raise errors.NotSoldThere from problem
    if now.version != quote.version:
        raise errors.QuoteChanged


def _reserve(pairs: list[tuple[OfferLine, QuoteLine]]) -> dict[int, int]:
    """Take the items out of stock, all or none."""
    wanted: dict[int, int] = {}
    for line, priced in pairs:
        wanted[line.product.pk] = wanted.get(line.product.pk, 0) + priced.quantity
    try:
        return stock.take(wanted)
    except stock.OutOfStock as problem:
        raise errors.SoldOut from problem


def _write_order(link: PurchaseLink, quote: Quote, ship_to: ShipTo, language: str, at: datetime) -> Order:
    """With a number that nobody can guess from another; drawn again in the rare case that it is taken."""
    while True:
        order = Order(
            organization_id=link.organization_id, offer=link.offer, number=new_number(), language=language,
            uses_plan=quote.uses_plan, quote_version=quote.version, full_cents=quote.full_cents,
            plan_cents=quote.plan_cents, patient_cents=quote.patient_cents, placed_at=at, changed_at=at,
            shipping_cents=quote.shipping_cents, tax_cents=quote.tax_cents,
            ship_to={name: getattr(ship_to, name) for name in ShipTo.__slots__},
        )  # fmt: skip
        try:
            with transaction.atomic():
                order.save(force_insert=True)
                return order
        except IntegrityError:
            if not Order.objects.filter(organization_id=link.organization_id, number=order.number).exists():
                raise


def new_number() -> str:
    return "LK-" + "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(6))


def start_payment(*, order: Order, by: Actor, at: datetime) -> Payment:
    """The payment of a quoted order, with the page to send the patient to in `page_url` ("" while it is being opened).

    An open one is used again; one that failed or expired is followed by another. Raises NothingToPay, NoSupplier.
    Waits for the processor, a few seconds at most in all, so call it outside any transaction.
    """
    with outbox.a_page_waits():
        return _started(order, by, at)


def _started(order: Order, by: Actor, at: datetime) -> Payment:
    payment = money.live_payment(order)
    if payment is not None and payment.state == "open":
        payment = look_at_payment(payment=payment, at=at)
    if payment is not None and payment.state in ("open", "authorized", "captured"):
        return payment
    payment, effect = _plan_payment(order, by, at)
    outbox.run_inline(effect)
    payment.refresh_from_db()
    return payment


@transaction.atomic(durable=True)
def _plan_payment(order: Order, by: Actor, at: datetime) -> tuple[Payment, Effect]:
    locked = moves.lock(order.pk)
    if not money.waits_for_money(locked):
        raise errors.NothingToPay
    payment = money.live_payment(locked)
    if payment is None:
        supplier = chosen.choose(organization_id=locked.organization_id, port=Port.PAYMENT, at=at)
        payment = Payment.objects.create(
            organization_id=locked.organization_id, order=locked, supplier=supplier, amount_cents=locked.total_cents,
            currency=locked.currency, created_at=at, changed_at=at,
        )  # fmt: skip
        audit.record(
            organization_id=locked.organization_id,
            by=by,
            action="payment.planned",
            entity=f"payment:{payment.public_id}",
            at=at,
        )
    effect = outbox.plan(
        kind="payment.open", subject=str(payment.public_id), organization_id=payment.organization_id, at=at, ring=False
    )
    return payment, effect


def payment_request(payment: Payment) -> PaymentRequest:
    """All that the processor learns."""
    return PaymentRequest(
        reference=str(payment.public_id),
        amount_cents=payment.amount_cents,
        currency=payment.currency,
        success_url=f"{settings.PATIENT_URL}/c/return/{payment.public_id}/",
        cancel_url=f"{settings.PATIENT_URL}/c/pay/",
        expires_at=int((payment.created_at + PAGE_LIVES).timestamp()),
    )


def look_at_payment(*, payment: Payment, at: datetime) -> Payment:
    """Ask the processor itself how a payment stands: a browser that comes back proves nothing (design law 8)."""
    effect = outbox.plan_next(
        kind="payment.look", subject=str(payment.public_id), organization_id=payment.organization_id, at=at, ring=False,
        even_if_running=True,
    )  # fmt: skip
    outbox.run_inline(effect)
    payment.refresh_from_db()
    return payment


@transaction.atomic
def cancel_order(*, order: Order, reason: str, by: Actor, at: datetime) -> Order:
    """Stop an order at whatever stage it is: unpaid, paid, or with suppliers (who are asked). Raises TooLate.

    reason: a code (patient, clinic, not_paid, order_changed ...). An order that is over stays as it is.
    """
    locked = moves.lock(order.pk)
    if locked.state in OVER:
        return locked
    if locked.state in GONE:
        raise errors.TooLate
    _audit(locked, "order.cancel_wanted", reason, by, at)
    if locked.state == OrderState.QUOTED:
        moves.move(locked, state=OrderState.CANCELLED, code=Code.CANCELLED, detail=reason, by=by, at=at)
    else:
        signals.cancel_wanted.send(sender=Order, order=locked, reason=reason, by=by, at=at)
    return locked


@transaction.atomic
def give_back(*, order: Order, reason: str, by: Actor, at: datetime) -> Order:
    """An operator returns the money of goods that came back or never arrived: all of it, as an effect like any other.

    reason: a code. Raises NothingToGiveBack where nothing was captured, or all of it went back.
    """
    locked = moves.lock(order.pk)
    if locked.money != MoneyState.CAPTURED:
        raise errors.NothingToGiveBack
    OrderLine.objects.filter(order=locked).update(accepted=False)
    _audit(locked, "order.give_back", reason, by, at)
    money.settle(locked, at=at)
    return locked


@transaction.atomic
def refund(*, order: Order, amount_cents: int, seen_cents: int, reason: str, by: Actor, at: datetime) -> Order:
    """Operations give a part or all back, beside what the rules give back by themselves. As an effect like any other.

    seen_cents: what could be given back when the page was shown; with another sum now (a second press, somebody else)
    RefundSeenElsewhere. Raises NothingToGiveBack, RefundTooLarge. reason: a code.
    """
    locked = moves.lock(order.pk)
    most = money.refundable_cents(locked)
    if most != seen_cents:
        raise errors.RefundSeenElsewhere
    if not most or amount_cents <= 0:
        raise errors.NothingToGiveBack
    if amount_cents > most:
        raise errors.RefundTooLarge
    locked.given_back_cents += amount_cents
    locked.save(update_fields=["given_back_cents"])
    _audit(locked, "order.refund_wanted", f"{reason}:{amount_cents}", by, at)
    note(locked, Code.REFUND_WANTED, by=by, at=at, detail=f"{reason}:{amount_cents}")
    money.settle(locked, at=at)
    return locked


@transaction.atomic
def reconciled(*, order: Order, found: str, reason: str, by: Actor, at: datetime) -> Order:
    """A person compared the books with the processor's and says how the money really stands: `found`, a MoneyState.

    The ledger is not touched: what moved at the processor is taken over by looking at the payment. Acts on the money
    that waited for this go on, and what came due meanwhile is planned. Raises IllegalMove.
    """
    locked = moves.lock(order.pk)
    if locked.money != MoneyState.RECONCILE_NEEDED:
        raise IllegalMove(f"{locked.money} -> {found}")
    _audit(locked, "order.reconciled", reason, by, at)
    moves.move(locked, money=found, code=Code.RECONCILED, detail=reason, by=by, at=at)
    for effect in _halted_for_reconciling(locked):
        outbox.retry(effect, by=by, at=at)
    money.settle(locked, at=at)
    return locked


def _halted_for_reconciling(order: Order) -> QuerySet[Effect]:
    subjects = [str(public_id) for public_id in Payment.objects.filter(order=order).values_list("public_id", flat=True)]
    return Effect.objects.filter(
        organization_id=order.organization_id, kind__startswith="payment.", subject__in=subjects,
        state=State.NEEDS_HUMAN, code=RECONCILE_FIRST,
    )  # fmt: skip


def _audit(order: Order, action: str, reason: str, by: Actor, at: datetime) -> None:
    audit.record(
        organization_id=order.organization_id,
        by=by,
        action=action,
        entity=f"order:{order.public_id}",
        at=at,
        reason=reason,
        customer_key=order.offer.customer_key,
    )
