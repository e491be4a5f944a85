"""A processor that is slow: what it was asked to do may happen long after it was looked up and not found. Whatever is lost
or late, no more leaves the processor than the ledger owes, and nothing is taken twice (REL-P25)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ehrcommerce.commerce.orders import ledger, money, services
from ehrcommerce.commerce.orders.models import Order, Payment
from ehrcommerce.outbox import queue
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, Note
from ehrcommerce.outbox.outcomes import Outcome, OutcomeUnknown, Refused
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION
from ehrcommerce.wire.errors import Unanswered
from tests.commerce.shop import CY, Shop

Ask = Callable[..., Outcome]


@dataclass
class Slow:
    """A processor that keeps the first answer to a key, and whose requests may lie in a drawer before they are done.

    coming: what becomes of the next requests: "late" (it lies there, the answer is lost), an Outcome (the answer, and
    nothing is done), "" (done at once). `drawer`: what lies there, by key. `keys`: of refunds."""

    shop: Shop
    acts: dict[str, Ask]
    coming: list[str | Outcome] = field(default_factory=list)
    drawer: dict[str, Callable[[], Outcome]] = field(default_factory=dict)
    kept: dict[str, Outcome] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def asked(self, verb: str) -> Ask:
        def ask(reference: str, *amount: int, idempotency_key: str) -> Outcome:
            self.keys += [idempotency_key] if verb == "refund" else []
            how = self.coming.pop(0) if self.coming else ""
            if isinstance(how, Outcome):
                return how
            once = self._once(verb, reference, amount, idempotency_key)
            if how == "late":
                self.drawer[idempotency_key] = once
                raise Unanswered("processor")
            return once()

        return ask

    def _once(self, verb: str, reference: str, amount: tuple[int, ...], key: str) -> Callable[[], Outcome]:
        def once() -> Outcome:
            if key not in self.kept:
                self.kept[key] = self.acts[verb](reference, *amount, idempotency_key=key)
            return self.kept[key]

        return once

    def empties_the_drawer(self) -> None:
        for once in self.drawer.values():
            once()
        self.drawer.clear()


def slow_of(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow(shop, {verb: getattr(shop.payments, verb) for verb in ("capture", "void", "refund")})
    for verb in made.acts:
        monkeypatch.setattr(shop.payments, verb, made.asked(verb))
    return made


@pytest.fixture
def slow(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return slow_of(shop, monkeypatch)


def goodwill(shop: Shop, order: Order, cents: int) -> None:
    services.refund(
        order=order, amount_cents=cents, seen_cents=money.refundable_cents(shop.fresh(order)), reason="goodwill",
        by=shop.ada.actor, at=timezone.now(),
    )  # fmt: skip


def again(shop: Shop, kind: str = "payment.refund", rounds: int = 3) -> None:
    """Time passes, and what waits is looked at."""
    for _ in range(rounds):
        shop.later(kind)
        shop.run(kind)


def at_processor(shop: Shop, order: Order) -> int:
    return shop.payments.sessions[str(shop.payment(order).public_id)].refunded_cents


def owed(shop: Shop, order: Order) -> int:
    payment = shop.payment(order)
    return payment.captured_cents - money.due_cents(shop.fresh(order))


def agree(shop: Shop, order: Order) -> None:
    """Books and processor after the drawer is empty and everybody has looked."""
    services.look_at_payment(payment=shop.payment(order), at=timezone.now())
    again(shop)
    payment = Payment.objects.get(pk=shop.payment(order).pk)
    assert at_processor(shop, order) == payment.refunded_cents == owed(shop, order)
    assert ledger.balance(order, ledger.PROCESSOR) == payment.captured_cents - payment.refunded_cents


# -- refunds ----------------------------------------------------------------------------------------------------------
def test_a_late_partial_refund_happens_once(shop: Shop, slow: Slow) -> None:
    """Sent, lost, not found, sent again, and then the first one is done as well."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    again(shop)
    slow.empties_the_drawer()
    assert at_processor(shop, order) == 1000
    agree(shop, order)


def test_what_comes_due_while_a_refund_is_late_goes_back_beside_it_and_once(shop: Shop, slow: Slow) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late", "late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    goodwill(shop, order, 500)
    again(shop, rounds=2)
    goodwill(shop, order, 250)
    again(shop)
    slow.empties_the_drawer()
    assert at_processor(shop, order) == 1750
    agree(shop, order)


def test_a_smaller_sum_is_not_sent_while_the_larger_may_still_be_on_its_way(shop: Shop, slow: Slow) -> None:
    """What is owed shrank meanwhile: other bytes need the old ones proven not to have happened, so a person looks."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    Order.objects.filter(pk=order.pk).update(given_back_cents=400)
    again(shop)
    effect = shop.effect("payment.refund")
    assert (effect.state, effect.code, len(slow.keys)) == ("needs_human", "refund_in_doubt", 1)
    slow.empties_the_drawer()
    assert at_processor(shop, order) == 1000


def test_a_key_is_not_trusted_for_longer_than_processors_keep_it(shop: Shop, slow: Slow) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    Note.objects.filter(effect=shop.effect("payment.refund")).update(at=timezone.now() - timedelta(hours=30))
    slow.kept.clear()
    again(shop)
    assert (shop.effect("payment.refund").code, len(slow.keys)) == ("refund_in_doubt", 1)
    slow.empties_the_drawer()
    outbox.retry(shop.effect("payment.refund"), by=CY, at=timezone.now())
    again(shop)
    assert (shop.effect("payment.refund").state, at_processor(shop, order)) == ("done", 1000)
    agree(shop, order)


def test_a_refund_that_a_person_retries_after_its_deadline_is_recognized(shop: Shop, slow: Slow) -> None:
    """It had happened, its news was lost, and it lay in the queue: Retry finds it and sends nothing."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    Effect.objects.filter(pk=shop.effect("payment.refund").pk).update(deadline_at=timezone.now() - timedelta(hours=1))
    again(shop, rounds=1)
    assert shop.effect("payment.refund").state == "needs_human"
    slow.empties_the_drawer()
    outbox.retry(shop.effect("payment.refund"), by=CY, at=timezone.now())
    again(shop)
    assert (len(slow.keys), at_processor(shop, order)) == (1, 1000)
    agree(shop, order)


def test_what_somebody_gave_back_at_the_processor_is_not_given_back_again(shop: Shop, slow: Slow) -> None:
    """Its callback was lost, so our books do not know it when the refund begins."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    shop.payments.says(shop.payment(order).public_id, "captured", refunded_cents=700)
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    assert at_processor(shop, order) == 1000
    agree(shop, order)


def test_given_back_at_the_processor_while_ours_is_in_doubt_is_a_persons_work(shop: Shop, slow: Slow) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    shop.payments.says(shop.payment(order).public_id, "captured", refunded_cents=700)
    again(shop)
    assert (shop.effect("payment.refund").code, len(slow.keys)) == ("refund_in_doubt", 1)


def test_more_given_back_than_is_owed_is_seen(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    shop.payments.says(shop.payment(order).public_id, "captured", refunded_cents=700)
    services.look_at_payment(payment=shop.payment(order), at=timezone.now())
    assert (shop.fresh(order).money, shop.payment(order).refunded_cents) == ("reconcile_needed", 700)


def test_a_no_is_asked_again_under_another_key_since_some_keep_it(shop: Shop, slow: Slow) -> None:
    """A definite no, with nothing in doubt: the next day's try must not get yesterday's answer."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = [Refused("refused"), Refused("refused")]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    again(shop)
    assert (len(set(slow.keys)), at_processor(shop, order)) == (3, 1000)


def test_a_no_after_a_lost_answer_changes_no_key(shop: Shop, slow: Slow) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late", Refused("refused")]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    again(shop, rounds=4)
    slow.empties_the_drawer()
    assert (len(set(slow.keys)), at_processor(shop, order)) == (1, 1000)


def test_an_error_kept_under_a_key_is_looked_up_and_then_asked_under_another(shop: Shop, slow: Slow) -> None:
    """REL-F20: the processor itself says that it answers from memory, so nothing is on its way under that key."""
    order = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = [OutcomeUnknown("partner_failed"), OutcomeUnknown("kept_error")]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    again(shop, rounds=4)
    assert [len(slow.keys), len(set(slow.keys)), at_processor(shop, order)] == [3, 2, 1000]
    agree(shop, order)


# -- captures and voids ------------------------------------------------------------------------------------------------
def test_a_late_capture_of_another_sum_takes_once_and_gives_back_the_rest(shop: Shop, slow: Slow) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    slow.coming = ["late"]
    shop.hears(medicine, "accepted")
    shop.hears(device, "accepted")
    shop.run("payment.capture")
    shop.hears(device, "cancelled")
    slow_first = list(slow.drawer.values())
    shop.later("payment.capture")
    for once in slow_first:
        once()
    again(shop, "payment.capture")
    shop.run()
    assert [verb for verb, _ in shop.payments.acts] == ["capture", "refund"]
    agree(shop, order)


def test_a_late_capture_after_the_smaller_one_takes_nothing_more(shop: Shop, slow: Slow) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    slow.coming = ["late"]
    shop.hears(medicine, "accepted")
    shop.hears(device, "accepted")
    shop.run("payment.capture")
    shop.hears(device, "cancelled")
    again(shop, "payment.capture")
    slow.empties_the_drawer()
    assert shop.payments.acts == [("capture", 1480)]
    agree(shop, order)


def test_a_late_void_after_the_order_goes_on_is_a_persons_work(shop: Shop, slow: Slow) -> None:
    """Given back and taken never both happen: the processor does the first that it comes to."""
    order = shop.dispatched(PRESCRIPTION)
    slow.coming = ["late"]
    shop.hears(shop.fulfillment(order), "refused", reason="out_of_stock")
    shop.run("payment.void")
    again(shop, "payment.void")
    slow.empties_the_drawer()
    shop.run()
    assert shop.payments.acts == [("void", 0)]
    assert (shop.fresh(order).money, shop.payment(order).state) == ("voided", "voided")


def test_a_person_who_closes_a_refund_in_doubt_leaves_the_books_to_be_compared(shop: Shop, slow: Slow) -> None:
    order: Any = shop.accepted(PRESCRIPTION, DEVICE)
    slow.coming = ["late"]
    goodwill(shop, order, 1000)
    shop.run("payment.refund")
    Note.objects.filter(effect=shop.effect("payment.refund")).update(at=timezone.now() - timedelta(hours=30))
    again(shop)
    queue.close(
        shop.effect("payment.refund"), happened=False, reason="asked_partner", by=shop.ada.actor, at=timezone.now()
    )
    again(shop)
    assert (shop.fresh(order).money, len(slow.keys)) == ("reconcile_needed", 1)
