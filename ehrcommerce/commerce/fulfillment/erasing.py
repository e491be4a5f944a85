"""What is erased when an order is over, each value after the time that its class of the table gives. It stands in the
room that knows both the offer and what became of it; the app's retention runs these and certifies how many rows lost a
value. Open orders and legal holds are never touched: orders are looked at again under their locks, so that one which a
refund reopened meanwhile keeps what it needs."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import F, Func, IntegerField, Q, QuerySet

from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion, Shipment
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, Helper, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Fill, Order
from ehrcommerce.commerce.orders.states import MoneyState, OrderState
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.retention import BATCH, over_since
from ehrcommerce.policy import keeping
from ehrcommerce.vault import envelopes

ENDED = (OrderState.COMPLETED, OrderState.CANCELLED, OrderState.REFUSED, OrderState.RETURNED)
# Somebody still has to find out where money is: the order is not over, whatever its goods are.
MONEY_OPEN = (MoneyState.RECONCILE_NEEDED, MoneyState.DISPUTED)


def erase_addresses(organization_id: int, at: datetime) -> int:
    """Where parcels went, and by which number they were followed."""
    ended = _ended(organization_id, over_since(keeping.SHIP_KEPT, at), at)
    orders = _locked(ended.annotate(held=_size("ship_to")).filter(held__gt=0), ended)
    for order in orders:
        order.ship_to = {}
        order.save(update_fields=["ship_to"])
    numbers = Shipment.objects.filter(organization_id=organization_id, fulfillment__order__in=ended)
    parcels = list(numbers.annotate(held=_size("tracking_number")).filter(held__gt=0).order_by("pk")[: BATCH // 2])
    for parcel in parcels:
        parcel.tracking_number = ""
        parcel.save(update_fields=["tracking_number"])
    return len(orders) + len(parcels)


def erase_contacts(organization_id: int, at: datetime) -> int:
    """Phone numbers and e-mail addresses that nothing is sent to any more."""
    over = _over(organization_id, over_since(keeping.CONTACT_KEPT, at), at)
    found = Contact.objects.annotate(held=_size("value")).filter(organization_id=organization_id, held__gt=0)
    offers = _still_over(over.filter(pk__in=found.values("offer_id")), over)
    contacts = list(found.filter(offer__in=offers).order_by("pk")[:BATCH])
    for contact in contacts:
        blank_contact(contact)
    return len(contacts) + _erase_helpers(organization_id, over)


def _erase_helpers(organization_id: int, over: QuerySet[Offer]) -> int:
    """Who acted for a patient, and where their code went. In what relation somebody acted stays: it is part of the proof."""
    held = Helper.objects.annotate(held=_size("name")).filter(organization_id=organization_id, held__gt=0)
    offers = _still_over(over.filter(pk__in=held.values("offer_id")), over)
    helpers = list(held.filter(offer__in=offers).order_by("pk")[:BATCH])
    for helper in helpers:
        blank_helper(helper)
    return len(helpers)


def erase_questions(organization_id: int, at: datetime) -> int:
    """What pharmacists asked, and answers that never reached them."""
    over = _over(organization_id, over_since(keeping.OFFER, at), at)
    held = PharmacistQuestion.objects.annotate(held=_size("words"), answer_held=_size("answer_words"))
    found = held.filter(Q(held__gt=0) | Q(answer_held__gt=0), organization_id=organization_id)
    offers = _still_over(over.filter(pk__in=found.values("fulfillment__order__offer_id")), over)
    questions = list(found.filter(fulfillment__order__offer__in=offers).order_by("pk")[:BATCH])
    for question in questions:
        blank_question(question)
    return len(questions)


def blank_question(question: PharmacistQuestion) -> None:
    """That something was asked, and which of the closed answers was given, stays."""
    question.words, question.answer_words = "", ""
    question.save(update_fields=["words", "answer_words"])


def erase_packets(organization_id: int, at: datetime) -> int:
    """What was ordered, in the chart's words, and with it the order's key: this is the last of its values to go. Digest,
    product and price stay: proof and money."""
    over = _over(organization_id, over_since(keeping.OFFER, at), at)
    found = OfferLine.objects.annotate(held=_size("packet")).filter(organization_id=organization_id, held__gt=0)
    offers = _still_over(over.filter(pk__in=found.values("offer_id")), over)
    lines = list(found.filter(offer__in=offers).select_related("offer").order_by("pk")[:BATCH])
    for line in lines:
        line.packet = {}
        line.save(update_fields=["packet"])
    for line in lines:
        if not found.filter(offer=line.offer).exists():
            envelopes.destroy(line.offer.public_id, at=at)
    return len(lines)


def erase_skeletons(organization_id: int, at: datetime) -> int:
    """After six years nothing says any more whose an old order was; what it cost stays in the books."""
    over = _over(organization_id, over_since(keeping.SKELETON, at), at).exclude(customer_key="")
    offers = list(over.order_by("pk").values_list("pk", flat=True)[:BATCH])
    OfferLine.objects.filter(offer__in=offers).update(order_key="")
    Fill.objects.filter(line__order__offer__in=offers).delete()
    return Offer.objects.filter(pk__in=offers).update(customer_key="", trust_phrase="")


def blank_contact(contact: Contact) -> None:
    """The row stays, since sessions point to it."""
    contact.value, contact.masked, contact.value_digest = "", "", b""
    contact.save(update_fields=["value", "masked", "value_digest"])


def blank_helper(helper: Helper) -> None:
    """The row stays, since sessions, consents and the audit point to it."""
    helper.name, helper.value, helper.masked = "", "", ""
    helper.save(update_fields=["name", "value", "masked"])


def _ended(organization_id: int, before: datetime, at: datetime) -> QuerySet[Order]:
    orders = Order.objects.filter(organization_id=organization_id, state__in=ENDED, changed_at__lte=before)
    return orders.exclude(money__in=MONEY_OPEN).exclude(offer__customer_key__in=holds.standing(organization_id, at))


def _over(organization_id: int, before: datetime, at: datetime) -> QuerySet[Offer]:
    """Offers of which nothing goes on: no live link, no order that is open or ended later than `before`, no hold."""
    offers = Offer.objects.filter(organization_id=organization_id, created_at__lte=before)
    live = PurchaseLink.objects.filter(Q(state__in=LIVE_LINK) | Q(ended_at__gt=before))
    open_orders = Order.objects.filter(~Q(state__in=ENDED) | Q(money__in=MONEY_OPEN) | Q(changed_at__gt=before))
    offers = offers.exclude(customer_key__in=holds.standing(organization_id, at))
    return offers.exclude(pk__in=live.values("offer_id")).exclude(pk__in=open_orders.values("offer_id"))


def _locked(due: QuerySet[Order], ended: QuerySet[Order]) -> list[Order]:
    """Orders of one batch, locked; of these only what is still over."""
    pks = lock_orders(Order.objects.filter(pk__in=list(due.order_by("pk").values_list("pk", flat=True)[: BATCH // 2])))
    return list(ended.filter(pk__in=pks).order_by("pk"))


def _still_over(due: QuerySet[Offer], over: QuerySet[Offer]) -> list[int]:
    pks = list(due.order_by("pk").values_list("pk", flat=True)[:BATCH])
    lock_orders(Order.objects.filter(offer__in=pks))
    return list(over.filter(pk__in=pks).values_list("pk", flat=True))


def lock_orders(orders: QuerySet[Order]) -> Iterable[int]:
    """Whoever moves an order takes this lock first: what moved before it is seen afterwards, what comes later waits."""
    return list(orders.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def _size(column: str) -> Func:
    """How long a sealed value is: all that may be asked of it without opening it."""
    return Func(F(column), function="octet_length", output_field=IntegerField())
