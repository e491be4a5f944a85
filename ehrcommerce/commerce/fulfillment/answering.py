"""The prescriber's answer to a pharmacist: one of a closed list with a few words, to the pharmacy that asked and to nobody
else. Written down first, then sent as an effect; "do not fill it" stops the part at once, whether it arrives or not."""

import json
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts.models import User
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.fulfillment import asking, progress
from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion
from ehrcommerce.commerce.orders.events import Code, note
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.errors import NoConsent
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import LOOKUP, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.ports import ANSWER_CHARS, ANSWERS, NoSupplier

KIND = "fulfillment.answer"
STOP = "stop"
ANSWER_WITHIN = timedelta(hours=48)


class AnsweredAlready(Exception):
    """The question was answered or withdrawn meanwhile. Nothing was sent; look at the patient's links again."""


class NotAnAnswer(Exception):
    """The answer is none of the list, or its words are too long. Choose one, and shorten the words."""


@transaction.atomic(durable=True)
def answer(*, question: PharmacistQuestion, answer: str, words: str, by: User, at: datetime) -> None:
    """Write the answer down and plan its way to the pharmacy. Raises AnsweredAlready, NotAnAnswer."""
    if answer not in ANSWERS or len(words) > ANSWER_CHARS:
        raise NotAnAnswer
    order, fulfillment = progress.lock(str(question.fulfillment.public_id))
    locked = PharmacistQuestion.objects.select_for_update().get(pk=question.pk)
    if locked.closed_at or locked.answered_at:
        raise AnsweredAlready
    locked.answer, locked.answer_words, locked.answered_at, locked.answered_by = answer, words, at, by
    locked.save(update_fields=["answer", "answer_words", "answered_at", "answered_by"])
    audit.record(
        organization_id=order.organization_id, by=by.actor, action="question.answered", reason=answer, at=at,
        entity=f"question:{locked.public_id}", purpose=fulfillment.kind, recipient=fulfillment.supplier.party,
        customer_key=order.offer.customer_key,
    )  # fmt: skip
    note(order, Code.QUESTION_ANSWERED, by=by.actor, at=at, detail=f"{fulfillment.kind}:{answer}")
    outbox.plan_next(
        kind=KIND, subject=str(locked.public_id), organization_id=order.organization_id, at=at,
        deadline_at=at + ANSWER_WITHIN,
    )  # fmt: skip
    if answer == STOP:
        progress.stop(order, fulfillment, "prescriber_stopped", code=Code.ORDER_STOPPED, by=by.actor, at=at)


class Answering(Handler):
    """One answer to one question. Its bytes are the answer and its words."""

    kind = KIND

    def capability(self, effect: Effect) -> str:
        return LOOKUP

    def _question(self, effect: Effect) -> PharmacistQuestion:
        related = PharmacistQuestion.objects.select_related("fulfillment__order__offer", "fulfillment__supplier")
        return related.get(public_id=effect.subject)

    def prepare(self, effect: Effect) -> bytes:
        question = self._question(effect)
        return json.dumps({"answer": question.answer, "text": question.answer_words}, ensure_ascii=False).encode()

    def envelope(self, effect: Effect) -> UUID | None:
        return self._question(effect).envelope()

    def still_wanted(self, effect: Effect) -> None:
        """Nothing goes to a pharmacy that does not ask any more, has no agreement, or to which the patient said no."""
        question = self._question(effect)
        order, fulfillment = progress.lock(str(question.fulfillment.public_id))
        question.refresh_from_db(fields=["closed_at", "answered_at"])
        if question.closed_at or not question.answered_at:
            raise Halt(Refused("no_question"))
        try:
            chosen.usable(fulfillment.supplier, at=timezone.now())
            consent.require(
                organization_id=order.organization_id, subject=str(order.offer.public_id), purpose=fulfillment.kind,
                recipient=fulfillment.supplier.party,
            )  # fmt: skip
        except NoSupplier as problem:
            raise Halt(NeedsHuman("no_agreement")) from problem
        except NoConsent as problem:
            raise Halt(Refused("no_consent")) from problem
        audit.record(
            organization_id=order.organization_id, by=progress.system(), action="question.sending",
            entity=f"question:{question.public_id}", at=timezone.now(), purpose=fulfillment.kind,
            recipient=fulfillment.supplier.party, customer_key=order.offer.customer_key, elements=["Fulfiller.answer"],
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        fulfillment, said = self._question(effect).fulfillment, json.loads(body)
        return chosen.fulfiller(fulfillment.supplier).answer(
            fulfillment.supplier_reference, said["answer"], said["text"], idempotency_key=effect.idempotency_key
        )

    def ask(self, effect: Effect) -> Outcome:
        """Who does not wait any more has it."""
        fulfillment = self._question(effect).fulfillment
        status = chosen.fulfiller(fulfillment.supplier).find(str(fulfillment.public_id))
        return self.missing(effect) if status is None or status.question else Done()

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """Delivered, or nobody waits for it: closed. Refused for another reason: the clinic may answer anew."""
        order, fulfillment = progress.lock(str(self._question(effect).fulfillment.public_id))
        question = PharmacistQuestion.objects.select_for_update().get(public_id=effect.subject)
        at, over = timezone.now(), ("no_question", "no_consent")
        if question.closed_at:
            return
        if isinstance(outcome, Done) or (isinstance(outcome, Refused) and outcome.code in over):
            asking.close(question, at=at)
            outbox.plan_next(
                kind="fulfillment.look", subject=str(fulfillment.public_id), organization_id=order.organization_id,
                at=at, even_if_running=True,
            )  # fmt: skip
        elif isinstance(outcome, Refused):
            question.answer, question.answer_words, question.answered_at, question.answered_by = "", "", None, None
            question.save(update_fields=["answer", "answer_words", "answered_at", "answered_by"])
