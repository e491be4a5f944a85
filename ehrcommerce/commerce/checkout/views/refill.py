"""The same again: for whoever had this medicine before and has just proved who they are, one page and one button before the
payment. Every other way (a plan, another address, a no) leads through the pages of a first order."""

from dataclasses import asdict

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.checkout import consents, current, quotes, services
from ehrcommerce.commerce.checkout.models import CheckoutSession, Stage
from ehrcommerce.commerce.checkout.views.guards import (
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    at_stage,
    page,
    state_page,
)
from ehrcommerce.commerce.checkout.views.order import items_of
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.policy.packets import ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable, NoSupplier


@asked_by(*READ_OR_POST)
@at_stage(Stage.CHECK)
def refill(request: CheckoutRequest) -> HttpResponse:
    """What it is, what it costs, who sends it; the button is the yes to them."""
    session, at = request.checkout, timezone.now()
    if session.link.offer.after_id is None:
        return redirect("checkout:check")
    if request.method != "POST":
        current.require(session, at=at)
    try:
        shown = consents.words(_suppliers(session, ""))
    except NoSupplier:
        return state_page(request, "no_supplier", clinic=session.organization, status=409)
    quote = quotes.quote_of(session)
    if request.method == "POST":
        same = request.POST.get("quote") == quote.version
        if same and all(request.POST.get(one.box) == one.mark for one in shown.recipients):
            return _agree(request, shown)
    values = {
        "items": items_of(lines_of(session.link.offer)), "words": shown, "quote": quote,
        "changed": request.method == "POST", "first": shown.recipients[0],
    }  # fmt: skip
    return page(request, "refill", values, status=422 if request.method == "POST" else 200)


def _suppliers(session: CheckoutSession, state: str) -> list[tuple[str, Supplier]]:
    lines = lines_of(session.link.offer)
    found = consents.suppliers_of(lines, organization_id=session.organization_id, state=state, at=timezone.now())
    return list(found.items())


def _agree(request: CheckoutRequest, shown: consents.Words) -> HttpResponse:
    """The yes is kept; the address on file is read now, and stands in full on the page with the payment."""
    session, at = request.checkout, timezone.now()
    session.uses_plan, session.payer, session.eligibility = False, None, {}
    consents.give(session, shown, at=at)
    quotes.confirm(session, quotes.quote_of(session))
    on_file = _address_on_file(session)
    session.address_on_file = asdict(on_file) if on_file else {}
    fields = ("uses_plan", "payer", "eligibility", "quote", "address_on_file")
    if on_file is not None and _serves(session, on_file):
        services.advance(session, Stage.PAY, *fields, "ship_to")
        return redirect("checkout:pay")
    session.ship_to = {}
    services.advance(session, Stage.WHERE, *fields)
    return redirect("checkout:where")


def _address_on_file(session: CheckoutSession) -> ShipTo | None:
    try:
        return chosen.chart().ship_to(
            organization_id=session.organization_id, customer_key=session.link.offer.customer_key,
            by=str(services.actor_of(session)),
        )  # fmt: skip
    except (ChartUnreachable, ChartNotPermitted, NoAgreement):
        return None


def _serves(session: CheckoutSession, on_file: ShipTo) -> bool:
    """Whether it can go there by the one who was named on the page, and what that costs in all."""
    try:
        wanted = _suppliers(session, on_file.state)
        session.ship_to = asdict(on_file)
        quotes.confirm(session, quotes.total_of(session, timezone.now()))
    except (NoSupplier, NoRule):
        return False
    return not consents.missing(session, wanted)
