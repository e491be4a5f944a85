"""After the payment: where the order is, the receipt, cancel, and what was shared with whom."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.commerce.checkout import receipt as receipts_of
from ehrcommerce.commerce.checkout import services, tracker
from ehrcommerce.commerce.checkout.acting import label
from ehrcommerce.commerce.checkout.consents import Words, gains, give, words
from ehrcommerce.commerce.checkout.gaining import got
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
from ehrcommerce.commerce.checkout.views.helper import may_name
from ehrcommerce.commerce.fulfillment import replacing, rerouting
from ehrcommerce.commerce.fulfillment.models import FulfillmentLine, Shipment
from ehrcommerce.commerce.fulfillment.services import withdraw_consent
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.errors import OrderProblem, TooLate
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.money import waits_for_money
from ehrcommerce.commerce.orders.states import FINAL, MoneyState, OrderState
from ehrcommerce.disclosure import consent, receipts
from ehrcommerce.suppliers.models import Supplier


@dataclass(frozen=True, slots=True)
class Went:
    """One line of the disclosure receipt."""

    recipient_name: str
    sent_at: datetime | None
    gets: str
    acting: str = ""


def _order(request: CheckoutRequest) -> Order:
    """The stage machine lets nobody here without one."""
    order = request.checkout.order
    if order is None:
        raise RuntimeError("A session at this stage has an order.")
    return order


@asked_by(*READ)
@at_stage(Stage.FOLLOW)
def follow(request: CheckoutRequest) -> HttpResponse:
    """What happened, what is next, by when, and whether the patient must act."""
    order, at = _order(request), timezone.now()
    if waits_for_money(order) and order.money != MoneyState.RECONCILE_NEEDED:
        return redirect("checkout:pay")
    have, of = tracker.parcels_of(order)
    values = {
        "have": have, "of": of,
        "order": order, "words": tracker.words_of(order), "money": tracker.money_words(order),
        "steps": tracker.steps_of(order), "call_after": tracker.call_after(order),
        "late": tracker.is_late(order, at), "moving": order.state not in FINAL,
        "can_cancel": order.state in tracker.CANCELLABLE,
        "too_late": request.GET.get("cancel") == "late" and order.state in tracker.GONE,
        "do_not_use": order.events.filter(code=Code.ORDER_STOPPED, detail__endswith=":has_left").exists(),
        "late_lines": FulfillmentLine.objects.filter(fulfillment__order=order, is_late=True)
        .exclude(fulfillment__state__in=(*FINAL, OrderState.DELIVERED)).order_by("pk"),
        "may_name": may_name(request.checkout),
        "shipments": Shipment.objects.filter(fulfillment__order=order).order_by("pk"),
        **tracker.replacement(order), "asked_yes": _asked_yes(order),
    }  # fmt: skip
    return page(request, "follow", values)


def _asked_yes(order: Order) -> list[Words]:
    """The words for each other supplier that would fill a part of it, as soon as the patient has said yes to it."""
    asked = [(part.kind, part.asked_supplier) for part in rerouting.asked_of(order)]
    return [words([(kind, supplier)]) for kind, supplier in asked if supplier is not None]


@asked_by(*READ_OR_POST)
@at_stage(Stage.FOLLOW, form_only=True)
def agree(request: CheckoutRequest) -> HttpResponse:
    """Yes to another supplier, to exactly the words that stood beside the box; then that one fills it."""
    order, session, at = _order(request), request.checkout, timezone.now()
    for part in rerouting.asked_of(order):
        if part.asked_supplier is None:
            continue
        shown = words([(part.kind, part.asked_supplier)])
        if request.POST.get(shown.recipients[0].box) != shown.recipients[0].mark:
            continue
        give(session, shown, at=at)
        with suppress(OrderProblem):  # it was sent, or ended, meanwhile: the page says how it stands
            rerouting.reassign(
                fulfillment=part, to=part.asked_supplier, reason="patient_asked", by=services.actor_of(session), at=at
            )
    return redirect("checkout:follow")


@asked_by(*READ_OR_POST)
@at_stage(Stage.FOLLOW)
def cancel(request: CheckoutRequest) -> HttpResponse:
    """One question, one button."""
    order = _order(request)
    if request.method != "POST":
        values = {"order": order, "can_cancel": order.state in tracker.CANCELLABLE, "instead": tracker.instead(order)}
        return page(request, "cancel", {**values, "money": tracker.money_words(order)})
    try:
        orders.cancel_order(order=order, reason="patient", by=services.actor_of(request.checkout), at=timezone.now())
    except TooLate:
        return redirect(reverse("checkout:follow") + "?cancel=late")
    return redirect("checkout:follow")


@asked_by(*READ_OR_POST)
@at_stage(Stage.FOLLOW, form_only=True)
def send_again(request: CheckoutRequest) -> HttpResponse:
    """The patient asks for what is lost once more; a person decides, and the page says that they were heard."""
    replacing.ask_for(order=_order(request), by=services.actor_of(request.checkout), at=timezone.now())
    return redirect("checkout:follow")


@asked_by(*READ)
@at_stage(Stage.FOLLOW)
def receipt(request: CheckoutRequest) -> HttpResponse:
    """For the printer, the insurer and the tax form; `?plain=1` leaves out the names of the items."""
    return page(request, "receipt", receipts_of.values_of(_order(request), language=language(), plain=_plain(request)))


@asked_by(*READ)
@at_stage(Stage.FOLLOW)
def receipt_paper(request: CheckoutRequest) -> HttpResponse:
    """The same as a tagged PDF to keep."""
    clinic = request.checkout.organization
    made = receipts_of.pdf(_order(request), clinic=clinic, language=language(), plain=_plain(request))
    answer = HttpResponse(made, content_type="application/pdf")
    answer.headers["Content-Disposition"] = 'attachment; filename="receipt.pdf"'
    return answer


def _plain(request: CheckoutRequest) -> bool:
    return request.GET.get("plain") == "1"


@asked_by(*READ)
@at_stage(Stage.FOLLOW)
def shared(request: CheckoutRequest) -> HttpResponse:
    """Each recipient: agreed when, sent when, and the button that takes the yes back."""
    session = request.checkout
    subject = str(session.link.offer.public_id)
    suppliers = {row.party: row for row in Supplier.objects.filter(organization_id=session.organization_id)}
    helpers = {one.party: label(one.relation) for one in session.link.offer.helpers.all()}
    planned = {bytes(part.payload_digest or b"") for part in _order(request).fulfillments.all()}
    went = [
        Went(row.recipient_name, row.sent_at, gains(facts) if (facts := got(row)) else "", label(row.acting))
        for row in receipts.of(session.organization_id, subject)
        # What was planned for another address or supplier and never went is nobody's any more.
        if row.recipient in suppliers and (row.sent_at or bytes(row.payload_digest) in planned)
    ]
    values = {
        "consents": [
            (row, label(row.acting), helpers.get(row.recipient, ""))
            for row in consent.live(organization_id=session.organization_id, subject=subject)
        ],
        "receipts": went,
        "said": request.GET.get("done") == "1",
    }  # fmt: skip
    return page(request, "shared", values)


@asked_by(*READ_OR_POST)
@at_stage(Stage.FOLLOW, form_only=True)
def take_back(request: CheckoutRequest) -> HttpResponse:
    """Nothing more goes to this recipient: what was not sent is over, what was is asked back. The list stays."""
    session = request.checkout
    recipient = request.POST.get("recipient", "")
    if not recipient:
        return state_page(request, "over", clinic=session.organization, status=400)
    by, at = services.actor_of(session), timezone.now()
    suppliers = Supplier.objects.filter(organization_id=session.organization_id)
    supplier = next((row for row in suppliers if row.party == recipient), None)
    if supplier is not None:
        withdraw_consent(order=_order(request), supplier=supplier, by=by, at=at)
    else:
        consent.withdraw(
            organization_id=session.organization_id, subject=str(session.link.offer.public_id), recipient=recipient,
            by=by, at=at,
        )  # fmt: skip
    return redirect(reverse("checkout:shared") + "?done=1")
