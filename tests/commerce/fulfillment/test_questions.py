"""A pharmacist asks the prescriber: nothing is charged meanwhile, the patient reads why, one answer goes to that pharmacy
and to nobody else, and a question that nobody answers is somebody's work."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.commerce.checkout import tracker
from ehrcommerce.commerce.fulfillment import admin as desk
from ehrcommerce.commerce.fulfillment import answering, asking, erasing, services
from ehrcommerce.commerce.fulfillment.models import PharmacistQuestion
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import NeedsHuman, Refused
from ehrcommerce.policy.packets import PRESCRIPTION
from tests.commerce.shop import CY, Shop

WORDS = "500 or 850 mg?"


def asked(shop: Shop, state: str = "dispatched", **more: Any) -> tuple[Order, PharmacistQuestion]:
    order = shop.dispatched(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), state, **{"question": "dose", "question_text": WORDS, **more})
    return shop.fresh(order), PharmacistQuestion.objects.get(fulfillment__order=order)


def say(shop: Shop, question: PharmacistQuestion, answer: str = "as_written", words: str = "500 mg.") -> None:
    answering.answer(question=question, answer=answer, words=words, by=shop.ada, at=timezone.now())


def test_who_asks_has_not_accepted_and_nothing_is_charged_until_the_answer_is_there(shop: Shop) -> None:
    order, question = asked(shop, "accepted")
    shop.run()
    assert (order.state, order.money, shop.payments.acts) == ("dispatched", "authorized", [])
    say(shop, question)
    shop.run()
    assert shop.pharmacy.answers == [(str(question.fulfillment.public_id), "as_written", "500 mg.")]
    assert (shop.fresh(order).state, shop.payments.acts) == ("accepted", [("capture", 1480)])
    assert shop.events(order).count("question") == shop.events(order).count("question_answered") == 1


def test_the_patient_reads_in_plain_words_who_waits_for_whom(shop: Shop) -> None:
    order, question = asked(shop)
    assert str(tracker.words_of(order).title) == "The pharmacy has a question for your clinic"
    with override("es"):
        assert str(tracker.words_of(order).title) == "La farmacia tiene una pregunta para su clínica"
    say(shop, question)
    shop.run()
    assert "question" not in str(tracker.words_of(shop.fresh(order)).title)
    assert shop.told().count("news") == 1


def test_what_is_asked_and_answered_is_sealed_and_the_answer_is_not_kept(shop: Shop) -> None:
    _, question = asked(shop)
    say(shop, question, words="A secret of the chart")
    held = PharmacistQuestion.objects.filter(pk=question.pk).values_list("words", "answer_words").get()
    assert all(len(bytes(one)) > 20 and b"secret" not in bytes(one) and b"850" not in bytes(one) for one in held)
    shop.run()
    question.refresh_from_db()
    assert (question.words, question.answer, question.answer_words) == (WORDS, "as_written", "")
    assert bytes(shop.effect(answering.KIND, question.public_id).body or b"") == b""
    erasing.blank_question(question)
    assert PharmacistQuestion.objects.get(pk=question.pk).words == ""


def test_the_same_question_is_one_another_is_another_and_silence_ends_it(shop: Shop) -> None:
    order, question = asked(shop)
    shop.look(shop.fulfillment(order))
    assert asking.of(order).get() == question
    shop.hears(shop.fulfillment(order), "dispatched", question="quantity", question_text="")
    assert [one.asked for one in asking.of(order)] == ["quantity"]
    shop.hears(shop.fulfillment(order), "accepted", question="", question_text="")
    shop.run()
    assert (asking.of(order).count(), shop.fresh(order).state) == (0, "accepted")


def test_two_presses_are_one_answer_and_a_lost_one_is_asked_after(shop: Shop) -> None:
    _, question = asked(shop)
    shop.pharmacy.faults.coming = ["drop"]
    say(shop, question)
    with pytest.raises(answering.AnsweredAlready):
        say(shop, question, "stop")
    shop.run()
    shop.later(answering.KIND)
    shop.run()
    assert len(shop.pharmacy.answers) == 1
    assert Effect.objects.filter(kind=answering.KIND, subject=str(question.public_id)).count() == 1


def test_do_not_fill_it_stops_the_part_even_if_the_answer_is_refused(shop: Shop) -> None:
    order, question = asked(shop)
    say(shop, question, "stop", "")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
    assert "stopped" in shop.told()


@pytest.mark.parametrize(("answer", "words"), [("maybe", ""), ("", ""), ("as_written", "x" * 201)])
def test_only_the_list_and_a_few_words(shop: Shop, answer: str, words: str) -> None:
    _, question = asked(shop)
    with pytest.raises(answering.NotAnAnswer):
        say(shop, question, answer, words)
    assert not Effect.objects.filter(kind=answering.KIND, subject=str(question.public_id)).exists()


def test_nothing_goes_to_a_pharmacy_to_which_the_patient_said_no(shop: Shop) -> None:
    order, question = asked(shop)
    say(shop, question)
    services.withdraw_consent(order=order, supplier=shop.supplier("pharmacy"), by=CY, at=timezone.now())
    shop.run(answering.KIND)
    assert (shop.pharmacy.answers, shop.effect(answering.KIND).code) == ([], "no_consent")


def test_an_answer_that_the_pharmacy_refuses_can_be_given_anew(shop: Shop) -> None:
    _, question = asked(shop)
    shop.pharmacy.faults.coming = [Refused("invalid")]
    say(shop, question)
    shop.run(answering.KIND)
    question.refresh_from_db()
    assert (question.answered_at, question.closed_at) == (None, None)
    say(shop, question, "substitute")
    shop.run()
    assert [one[1] for one in shop.pharmacy.answers] == ["substitute"]


def test_an_answer_that_cannot_be_sent_is_a_persons_work_and_the_question_stands(shop: Shop) -> None:
    order, question = asked(shop)
    shop.pharmacy.faults.coming = [NeedsHuman("not_authorized")]
    say(shop, question)
    shop.run(answering.KIND)
    assert shop.effect(answering.KIND).state == "needs_human"
    assert asking.of(order).exists()


def test_after_a_day_it_stands_on_the_first_page_of_the_back_office(shop: Shop) -> None:
    order, question = asked(shop)
    assert desk.unanswered_questions().lines == []
    PharmacistQuestion.objects.filter(pk=question.pk).update(asked_at=timezone.now() - timedelta(days=1, minutes=1))
    assert [line.what for line in desk.unanswered_questions().lines] == [order.number]
    say(shop, question)
    assert desk.unanswered_questions().lines == []


def test_asking_answering_and_sending_are_in_the_audit_without_the_words(shop: Shop) -> None:
    _, question = asked(shop)
    say(shop, question)
    shop.run()
    rows = AuditEvent.objects.filter(entity=f"question:{question.public_id}").order_by("pk")
    assert [row.action for row in rows] == ["question.asked", "question.answered", "question.sending"]
    assert "850" not in "".join(str(vars(row)) for row in rows)
