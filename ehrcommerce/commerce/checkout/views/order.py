"""What was ordered, how to pay for it, what is shared with whom, and where it goes."""

from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.catalog.rules import NoRule
from ehrcommerce.commerce.checkout import consents, coverage, current, quotes, services
from ehrcommerce.commerce.checkout.consents import Recipient, Words
from ehrcommerce.commerce.checkout.directions import Directions, amount_of, directions_of
from ehrcommerce.commerce.checkout.forms import AddressForm, ChoiceForm, ConsentForm
from ehrcommerce.commerce.checkout.models import LEVEL_PRINTED, CheckoutSession, Stage
from ehrcommerce.commerce.checkout.phrases import phrase_in
from ehrcommerce.commerce.checkout.views.guards import (
    READ_OR_POST,
    CheckoutRequest,
    asked_by,
    at_stage,
    language,
    over,
    page,
    state_page,
)
from ehrcommerce.commerce.checkout.views.helper import may_name
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.offers.services import lines_of
from ehrcommerce.commerce.orders import pricing
from ehrcommerce.policy import table
from ehrcommerce.policy.digests import from_json as packet_of
from ehrcommerce.policy.packets import OrderedItem, ShipTo
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable, NoSupplier


@dataclass(frozen=True, slots=True)
class Item:
    """One line as the patient reads it."""

    name: str
    basis: Directions
    price_cents: int
    directions: Directions
    orderer: str
    quantity: int


def items_of(lines: list[OfferLine]) -> list[Item]:
    return [_item(line, line.product, packet_of(line.packet)) for line in lines]


def _item(line: OfferLine, product: Product, packet: OrderedItem) -> Item:
    return Item(
        name=line.name(language()), basis=amount_of(product.quantity_basis, language()),
        price_cents=line.price_cents * line.quantity, directions=directions_of(packet, language()),
        orderer=packet.orderer_name, quantity=line.quantity,
    )  # fmt: skip


def _actor(request: CheckoutRequest) -> str:
    return str(services.actor_of(request.checkout))


@asked_by(*READ_OR_POST)
@at_stage(Stage.CHECK)
def check(request: CheckoutRequest) -> HttpResponse:
    """The items, who ordered them, the full price; plan or full price."""
    session, at = request.checkout, timezone.now()
    if request.method != "POST":
        current.require(session, at=at)
    payer = coverage.payer_of(session, at)
    words = consents.words([(table.ELIGIBILITY, payer)], acting=session.acting) if payer else None
    mark = words.recipients[0].mark if words else ""
    form = ChoiceForm(request.POST if request.method == "POST" else None, mark=mark)
    if form.is_bound and form.is_valid():
        return _choose(request, words if form.cleaned_data["pay_with"] == "plan" else None, payer)
    items = items_of(lines_of(session.link.offer))
    orderers = sorted({item.orderer for item in items if item.orderer})
    values = {
        "form": form, "items": items, "orderer": ", ".join(orderers), "words": words, "payer": payer,
        "full_cents": sum(item.price_cents for item in items), "told": session.link.offer.trust_phrase,
        "phrase": phrase_in(language(), session.link.offer.trust_phrase),
    }  # fmt: skip
    return page(request, "check", values, status=422 if form.errors else 200)


def _choose(request: CheckoutRequest, words: Words | None, payer: Supplier | None) -> HttpResponse:
    """Nothing of a plan is read before this moment; and who was named in the words is who is asked, now and later."""
    session, at = request.checkout, timezone.now()
    session.uses_plan, session.payer = words is not None, payer if words is not None else None
    session.eligibility, session.quote = {}, {}
    services.advance(session, Stage.PRICE, "uses_plan", "payer", "eligibility", "quote")
    if words is not None:
        consents.give(session, words, at=at)
        coverage.ask(session, at=at)
    return redirect("checkout:price")


@asked_by(*READ_OR_POST)
@at_stage(Stage.PRICE, form_only=True)
def ask_again(request: CheckoutRequest) -> HttpResponse:
    """The plan did not answer: once more, on the patient's wish."""
    if request.checkout.uses_plan:
        coverage.ask(request.checkout, at=timezone.now())
    return redirect("checkout:price")


@asked_by(*READ_OR_POST)
@at_stage(Stage.PRICE)
def price(request: CheckoutRequest) -> HttpResponse:
    """Three numbers, then a yes for each recipient of what is shared."""
    session = request.checkout
    if request.method != "POST":
        current.require(session, at=timezone.now())
    try:
        words = _supplier_words(session)
    except NoSupplier:
        return state_page(request, "no_supplier", clinic=session.organization, status=409)
    also = consents.standing_asked(session, words)
    data = request.POST if request.method == "POST" else None
    form = ConsentForm(data, recipients=words.recipients, standing=also)
    quote = quotes.quote_of(session)
    if form.is_bound and form.is_valid():
        if request.POST.get("quote") == quote.version:
            return _agree(request, words, also if form.says_also else None)
        form.add_error(None, _("Your price changed while you were here. Look at it once more."))
    values = {
        "form": form, "quote": quote, "answer": coverage.answer_of(session), "words": words,
        "items": items_of(lines_of(session.link.offer)), "plan": quotes.plan_words(quote), "may_name": may_name(session),
    }  # fmt: skip
    return page(request, "price", values, status=422 if form.errors else 200)


def _supplier_words(session: CheckoutSession) -> Words:
    """Everybody who fills this order, for the state of the address where it is known. Raises NoSupplier."""
    state = (session.ship_to or session.address_on_file or {}).get("state", "")
    lines = lines_of(session.link.offer)
    try:
        wanted = _suppliers(session, lines, state)
    except NoSupplier:
        if not state:
            raise
        wanted = _suppliers(session, lines, "")  # the address page says which state does not work
    return consents.words(wanted, acting=session.acting)


def _suppliers(session: CheckoutSession, lines: list[OfferLine], state: str) -> list[tuple[str, Supplier]]:
    found = consents.suppliers_of(lines, organization_id=session.organization_id, state=state, at=timezone.now())
    return list(found.items())


def _agree(request: CheckoutRequest, words: Words, also: Recipient | None) -> HttpResponse:
    session, at = request.checkout, timezone.now()
    consents.give(session, words, at=at)
    if also is not None:
        consents.give_standing(session, also, at=at)
    quotes.confirm(session, quotes.quote_of(session))
    on_file = _address_on_file(request)
    session.address_on_file = asdict(on_file) if on_file else {}
    services.advance(session, Stage.WHERE, "quote", "address_on_file")
    return redirect("checkout:where")


def _address_on_file(request: CheckoutRequest) -> ShipTo | None:
    """None where the chart has none or cannot be read: the patient types it then."""
    session = request.checkout
    try:
        return chosen.chart().ship_to(
            organization_id=session.organization_id, customer_key=session.link.offer.customer_key, by=_actor(request)
        )
    except (ChartUnreachable, ChartNotPermitted, NoAgreement):
        return None


@asked_by(*READ_OR_POST)
@at_stage(Stage.WHERE)
def where(request: CheckoutRequest) -> HttpResponse:
    """The address on file as a choice, or another one; by a printed sheet the one on file alone (decision 0008)."""
    session = request.checkout
    on_file = ShipTo(**session.address_on_file) if session.address_on_file else None
    file_only = session.level == LEVEL_PRINTED
    if file_only and on_file is None:
        return state_page(request, "no_address", clinic=session.organization, status=409)
    form = AddressForm(
        request.POST if request.method == "POST" else None, on_file=on_file, initial=_typed_before(session, on_file),
        file_only=file_only,
    )  # fmt: skip
    if form.is_bound and form.is_valid():
        answer = _ship(request, form)
        if answer is not None:
            return answer
    return page(request, "where", {"form": form, "on_file": on_file}, status=422 if form.errors else 200)


def _typed_before(session: CheckoutSession, on_file: ShipTo | None) -> dict[str, Any]:
    """What was chosen on an earlier visit of this page; at the first one the address on file, which is one tap less for nearly
    everybody. An address is no consent: it is shown again beside the sum, and can be changed there."""
    if not session.ship_to:
        return {"place": "file"} if on_file else {}
    return {"place": "file" if session.ship_to == session.address_on_file else "other", **session.ship_to}


def _ship(request: CheckoutRequest, form: AddressForm) -> HttpResponse | None:
    """Go on to pay; back to the consent where another supplier serves that state; None with an error in the form."""
    session, ship_to = request.checkout, form.address
    lines = lines_of(session.link.offer)
    try:
        wanted = _suppliers(session, lines, ship_to.state)
    except NoSupplier:
        words = _("We cannot send this to %(state)s. Choose another address, or call us.")
        if form.file_only:
            words = _("We cannot send this to %(state)s. Please call us.")
        words %= {"state": ship_to.state}
        form.add_error("state" if form.typed else "place", words)
        return None
    session.ship_to = asdict(ship_to)
    seen = quotes.confirmed(session)
    try:
        total = quotes.total_of(session, timezone.now())
    except NoRule:
        words = _("We cannot send this to %(state)s yet. Choose another address, or call us.")
        form.add_error("state" if form.typed else "place", words % {"state": ship_to.state})
        return None
    if seen is not None and pricing.undelivered(seen).version == pricing.undelivered(total).version:
        quotes.confirm(session, total)  # the pay page shows it in full; pressing its button is the yes
    if consents.missing(session, wanted):
        services.advance(session, Stage.PRICE, "ship_to")
        return redirect("checkout:price")
    services.advance(session, Stage.PAY, "ship_to", "quote")
    return redirect("checkout:pay")


@at_stage(Stage.CHECK, form_only=True)
def _decline(request: CheckoutRequest) -> HttpResponse:
    services.decline(request.checkout, at=timezone.now())
    return redirect("checkout:no")


@asked_by(*READ_OR_POST)
def say_no(request: HttpRequest) -> HttpResponse:
    """As easy as yes; afterwards the address says what was said, also when it is read again or in another language."""
    if request.method != "POST" and services.declined(request.COOKIES.get(services.COOKIE, ""), at=timezone.now()):
        return over(request, status=200)
    return _decline(request)
