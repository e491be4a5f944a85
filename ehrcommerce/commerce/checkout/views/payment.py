"""To the payment page and back. What the browser says is never proof: the processor is asked.

The page that holds the form names the payment page's origin to the browser, since the redirect after the form leads
there. One order and one charge, however often the button is pressed and on however many phones."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.checkout import coverage, current, quotes, services
from ehrcommerce.commerce.checkout.models import Stage
from ehrcommerce.commerce.checkout.views.guards import (
    READ,
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    at_stage,
    language,
    page,
    state_page,
)
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.errors import LinkOver, NoFillLeft, NothingToPay, NotSoldThere, QuoteChanged, SoldOut
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.commerce.orders.money import waits_for_money
from ehrcommerce.commerce.orders.pricing import Quote
from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import NoSupplier

PAID = frozenset({"authorized", "captured"})
WAITING = frozenset({"planned", "open"})


def _payment_origins(request: CheckoutRequest) -> list[str]:
    """Where the form of the pay page may lead: to every payment page of the clinic, in use now or not. Who takes the
    payment is chosen when the form is sent, and that may be somebody who was away when the page was shown."""
    rows = Supplier.objects.filter(organization_id=request.checkout.organization_id, port=Port.PAYMENT).order_by("pk")
    return list(dict.fromkeys(chosen.payments(row).page_origin for row in rows))


@asked_by(*READ_OR_POST)
@at_stage(Stage.PAY)
def pay(request: CheckoutRequest) -> HttpResponse:
    """The sum, where it goes, one button. What it asks of plan and processor shares one short patience."""
    with outbox.a_page_waits():
        return _pay(request)


def _pay(request: CheckoutRequest) -> HttpResponse:
    request.csp_form_action = _payment_origins(request)
    if request.checkout.order is not None:
        return _pay_again(request, request.checkout.order)
    _refresh_coverage(request)
    try:
        quote = quotes.total_of(request.checkout, timezone.now())
    except NoRule:
        return redirect("checkout:where")
    before = quotes.confirmed(request.checkout)
    if before is None or before.version != quote.version:
        return _price_changed(request, before, quote)
    if request.method != "POST":
        return _summary(request, quote.total_cents, quote=quote)
    if request.POST.get("quote") != quote.version:
        return _price_changed(request, None, quote)  # the page that was pressed showed another price
    return _place(request, quote)


def _price_changed(request: CheckoutRequest, before: Quote | None, now: Quote) -> HttpResponse:
    values = {"changes": quotes.changes(before, now) if before else [], "quote": now, "plan": quotes.plan_words(now)}
    return page(request, "price_changed", values, status=409)


def _refresh_coverage(request: CheckoutRequest) -> None:
    """An old answer of a plan is asked for again at the last moment before it is charged by."""
    session, at = request.checkout, timezone.now()
    if request.method == "POST" and session.uses_plan and not coverage.is_fresh(session, at):
        coverage.ask(session, at=at)


def _summary(
    request: CheckoutRequest, cents: int, *, said: str = "", status: int = 200, quote: Quote | None = None
) -> HttpResponse:
    session = request.checkout
    ship_to = session.order.ship_to if session.order else session.ship_to
    values = {
        "cents": cents, "ship_to": ShipTo(**ship_to), "said": said, "quote": quote,
        "plan": quotes.plan_words(quote) if quote else "",
    }  # fmt: skip
    return page(request, "pay", values, status=status)


def _place(request: CheckoutRequest, quote: Quote) -> HttpResponse:
    session, at = request.checkout, timezone.now()
    current.require(session, at=at)
    try:
        order = orders.place_order(
            link=session.link, quote=quote, ship_to=ShipTo(**session.ship_to), language=language(),
            by=services.actor_of(session), at=at,
        )  # fmt: skip
    except LinkOver:
        return state_page(request, "expired", clinic=session.organization, status=410)
    except QuoteChanged:
        return redirect("checkout:price")
    except NoFillLeft:
        return state_page(request, "no_fills", clinic=session.organization, status=409)
    except SoldOut:
        return state_page(request, "sold_out", clinic=session.organization, status=409)
    except NotSoldThere:
        return redirect("checkout:where")
    session.order = order
    services.advance(session, Stage.PAY, "order")
    return _to_payment(request, order)


def _pay_again(request: CheckoutRequest, order: Order) -> HttpResponse:
    """An order stands: look at what became of its payment before anything is asked again."""
    payment = order.payments.order_by("-pk").first()
    if payment is not None and payment.state in WAITING and request.method != "POST":
        payment = orders.look_at_payment(payment=payment, at=timezone.now())
        order.refresh_from_db()
    if not waits_for_money(order) or order.money == MoneyState.RECONCILE_NEEDED:
        return _to_follow(request)
    if request.method == "POST":
        return _to_payment(request, order)
    lapsed = order.state != OrderState.QUOTED
    said = "" if payment is None else "open" if payment.state in WAITING else "lapsed" if lapsed else "failed"
    return _summary(request, order.total_cents, said=said)


def _to_payment(request: CheckoutRequest, order: Order) -> HttpResponse:
    """303 to the hosted page; the checking page while it is being made; straight on where nothing is due."""
    order.refresh_from_db()
    if not waits_for_money(order):
        return _to_follow(request)
    try:
        payment = orders.start_payment(order=order, by=services.actor_of(request.checkout), at=timezone.now())
    except NothingToPay:
        return _to_follow(request)
    except NoSupplier:
        return _summary(request, order.total_cents, said="later", status=503)
    if payment.page_url and payment.state in WAITING:
        response = HttpResponse(status=303)
        response.headers["Location"] = payment.page_url
        return response
    response = redirect("checkout:return", payment_id=payment.public_id)
    response.status_code = 303
    return response


def _to_follow(request: CheckoutRequest) -> HttpResponse:
    services.advance(request.checkout, Stage.FOLLOW)
    return redirect("checkout:follow")


def _own_payment(request: CheckoutRequest, payment_id: UUID) -> Payment:
    """A payment of this session's order, or 404: the address in the browser opens nothing."""
    payment = Payment.objects.select_related("order").filter(public_id=payment_id, order=request.checkout.order).first()
    if payment is None or request.checkout.order is None:
        raise Http404
    return payment


@asked_by(*READ)
@at_stage(Stage.PAY)
def back(request: CheckoutRequest, payment_id: UUID) -> HttpResponse:
    """The patient came back from the payment page: ask the processor, whatever the address says."""
    request.csp_form_action = _payment_origins(request)
    at = timezone.now()
    payment = orders.look_at_payment(payment=_own_payment(request, payment_id), at=at)
    order = payment.order
    order.refresh_from_db()
    if payment.state in PAID or not (waits_for_money(order) or order.money == MoneyState.RECONCILE_NEEDED):
        return _to_follow(request)
    if payment.state in WAITING or order.money == MoneyState.RECONCILE_NEEDED:
        in_doubt = order.money == MoneyState.RECONCILE_NEEDED
        # An answer of the processor leaves its time on the payment. Where no page was made, nobody could pay.
        known = not in_doubt and (payment.changed_at >= at or not payment.page_url)
        ready = known and payment.state == "open" and payment.page_url
        return page(request, "checking", {"payment": payment, "ready": ready, "known": known, "in_doubt": in_doubt})
    return _summary(request, order.total_cents, said="failed")


@asked_by(*READ_OR_POST)
@at_stage(Stage.PAY, form_only=True)
def accept_price(request: CheckoutRequest) -> HttpResponse:
    """The new price is seen and agreed to: the version on the page must be the one that stands now."""
    session = request.checkout
    if session.order is not None:
        return redirect("checkout:pay")
    try:
        quote = quotes.total_of(session, timezone.now())
    except NoRule:
        return redirect("checkout:where")
    if request.POST.get("quote") == quote.version:
        quotes.confirm(session, quote)
        session.save(update_fields=["quote"])
    return redirect("checkout:pay")
