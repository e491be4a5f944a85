"""What a pharmacist asks the prescriber, as we hear it from the pharmacy: one question at a time for a part of an order,
opened, changed and closed by what the pharmacy says when it is asked how the order stands. Under the order's lock."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import QuerySet

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import telling
from ehrcommerce.commerce.fulfillment.models import Fulfillment, PharmacistQuestion
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.suppliers.ports import SupplyStatus

MAY_ASK = (OrderState.DISPATCHED, OrderState.ACCEPTED)
# News that were read before our answer arrived still hold the question that it answered.
ECHO = timedelta(minutes=2)


def stands(fulfillment: Fulfillment) -> bool:
    """Whether the pharmacist of this part waits for the prescriber."""
    return PharmacistQuestion.objects.filter(fulfillment=fulfillment, closed_at=None).exists()


def of(order: Order) -> QuerySet[PharmacistQuestion]:
    """What is asked of an order and not settled."""
    return PharmacistQuestion.objects.filter(fulfillment__order=order, closed_at=None)


def by_offer(offers: Iterable[int]) -> Mapping[int, list[PharmacistQuestion]]:
    """Open questions by the offer that they are about, oldest first; one statement."""
    found: dict[int, list[PharmacistQuestion]] = {}
    rows = PharmacistQuestion.objects.filter(fulfillment__order__offer__in=list(offers), closed_at=None)
    for row in rows.select_related("fulfillment__order").order_by("pk"):
        found.setdefault(row.fulfillment.order.offer_id, []).append(row)
    return found


def hear(order: Order, fulfillment: Fulfillment, status: SupplyStatus, *, by: Actor, at: datetime) -> None:
    """Take over what is asked. Who says the same again asks once; who asks something else asks anew; who asks nothing
    any more, or has sent the parcel, has settled it by phone."""
    standing = PharmacistQuestion.objects.filter(fulfillment=fulfillment, closed_at=None).first()
    wanted = status.question if fulfillment.state in MAY_ASK and status.state in MAY_ASK else ""
    if standing and (standing.asked, standing.words) == (wanted, status.question_text):
        return
    if standing and wanted and standing.answered_at:
        return  # our answer is on its way to the one before: this is heard again once that has arrived
    if standing:
        close(standing, at=at)
    if wanted and not _is_echo(fulfillment, wanted, at):
        _open(order, fulfillment, status, by=by, at=at)


def _is_echo(fulfillment: Fulfillment, asked: str, at: datetime) -> bool:
    answered = PharmacistQuestion.objects.filter(fulfillment=fulfillment, asked=asked, answered_at__isnull=False)
    return answered.filter(closed_at__gt=at - ECHO).exists()


def _open(order: Order, fulfillment: Fulfillment, status: SupplyStatus, *, by: Actor, at: datetime) -> None:
    question = PharmacistQuestion(
        organization_id=order.organization_id, fulfillment=fulfillment, asked=status.question,
        words=status.question_text, asked_at=at,
    )  # fmt: skip
    question.save()
    audit.record(
        organization_id=order.organization_id, by=by, action="question.asked", entity=f"question:{question.public_id}",
        at=at, purpose=fulfillment.kind, customer_key=order.offer.customer_key,
    )  # fmt: skip
    note(order, Code.QUESTION, by=by, at=at, detail=f"{fulfillment.kind}:{status.question}")
    telling.about(order, fulfillment, Code.QUESTION, at=at)


def close(question: PharmacistQuestion, *, at: datetime) -> None:
    """Settled. The prescriber's words are with the pharmacy, or for nobody: they are not kept."""
    question.closed_at, question.answer_words = at, ""
    question.save(update_fields=["closed_at", "answer_words"])
