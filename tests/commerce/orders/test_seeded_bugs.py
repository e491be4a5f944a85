"""The tests of money, stock and stops can fail: each of these bugs, put into the program on purpose, is caught by the test
that stands beside it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist

from ehrcommerce.commerce.catalog import rules, stock
from ehrcommerce.commerce.fulfillment import asking, attention, dispatch, parcels, progress, returning
from ehrcommerce.commerce.orders import effects, gate, money, moves, reconciling, refunding, services
from ehrcommerce.commerce.orders.models import OrderLine
from tests.commerce.fulfillment import test_late as late
from tests.commerce.fulfillment import test_questions as questions
from tests.commerce.fulfillment import test_stopped_in_time as stopped
from tests.commerce.orders import test_books as books
from tests.commerce.orders import test_delivery as delivery
from tests.commerce.orders import test_late_money as late_money
from tests.commerce.orders import test_returns as returns
from tests.commerce.shop import Shop

Patch = Any


def items_alone(order: Any) -> int:
    return sum(line.patient_cents for line in OrderLine.objects.filter(order=order, accepted=True))


def nothing(*_: Any, **__: Any) -> None:
    """A line that somebody took out."""


BUGS: dict[str, tuple[Callable[[Patch], None], Callable[[Shop, Patch], None]]] = {
    "tax is cut, not rounded": (
        lambda patch: patch.setattr(
            rules.Rules, "tax", lambda self, name, cents: cents * self.rates[name] // rules.PPM
        ),
        lambda shop, patch: delivery.test_tax_is_rounded_half_up_to_the_cent(100, 65_000, 7),
    ),
    "only the items are captured": (
        lambda patch: patch.setattr(money, "due_cents", items_alone),
        lambda shop, patch: delivery.test_only_what_was_accepted_is_taken_with_its_tax_and_its_parcel(shop),
    ),
    "tax and shipping are not computed again": (
        lambda patch: patch.setattr(services, "_require_delivery", nothing),
        lambda shop, patch: delivery.test_a_rule_that_changed_since_the_page_is_not_charged(shop),
    ),
    "stock is not taken": (
        lambda patch: patch.setattr(stock, "take", lambda wanted: {}),
        lambda shop, patch: delivery.test_twenty_buyers_of_three(shop),
    ),
    "stock does not come back": (
        lambda patch: patch.setattr(moves, "_let_go", nothing),
        lambda shop, patch: delivery.test_what_is_cancelled_refused_or_never_paid_goes_back_once(shop),
    ),
    "the same key for ever": (
        lambda patch: patch.setattr(effects, "fresh_key", lambda effect: effect.idempotency_key),
        lambda shop, patch: books.test_an_error_that_is_kept_under_our_key_is_looked_up_and_then_asked_under_another(
            shop, patch
        ),
    ),
    "a hold is good for ever": (
        lambda patch: patch.setattr(dispatch.Dispatch, "_require_hold", nothing),
        lambda shop, patch: books.test_a_hold_past_its_own_date_sends_nothing_and_is_looked_at(shop),
    ),
    "books always agree": (
        lambda patch: patch.setattr(reconciling, "differs", lambda payment, status: ""),
        lambda shop, patch: books.test_what_differs_is_a_persons_work_and_retry_compares_again(
            shop, {"captured_cents": 1479}, "captured_differs"
        ),
    ),
    "a refund on top of a dispute": (
        lambda patch: patch.setattr(money, "HELD", ()),
        lambda shop, patch: books.test_a_dispute_stops_what_has_not_left_and_moves_no_money(shop),
    ),
    "the chart's word before the last line is not heard": (
        lambda patch: patch.setattr(gate, "require_fresh", nothing),
        lambda shop, patch: stopped.test_before_it_was_sent_nothing_is_sent_and_nothing_is_kept(
            shop, stopped.in_the_claim, "not_active"
        ),
    ),
    "nobody watches a stop": (
        lambda patch: patch.setattr(attention, "ask_for", nothing),
        lambda shop, patch: stopped.test_until_the_supplier_confirms_a_person_watches_and_its_no_is_said_plainly(shop),
    ),
    "one parcel is enough": (
        lambda patch: patch.setattr(parcels, "_each", lambda *_: []),
        lambda shop, patch: late.test_an_order_in_two_parcels_has_two_and_neither_goes_back(shop),
    ),
    "a backorder is not said": (
        lambda patch: patch.setattr(progress, "_put_off", nothing),
        lambda shop, patch: late.test_a_backorder_is_said_once_and_charged_once(shop, "", None),
    ),
    "who asks is taken for who accepts": (
        lambda patch: patch.setattr(asking, "stands", lambda fulfillment: False),
        lambda shop, patch: questions.test_who_asks_has_not_accepted_and_nothing_is_charged_until_the_answer_is_there(
            shop
        ),
    ),
    "what comes back is kept": (
        lambda patch: patch.setattr(returning, "came_back", nothing),
        lambda shop, patch: returns.test_a_return_pays_back_by_the_rule_once_and_to_the_cent(shop, "full", 8248, 0),
    ),
    "a late refund is sent again under another key": (
        lambda patch: patch.setattr(refunding.RefundPayment, "key", lambda self, effect: effects.fresh_key(effect)),
        lambda shop, patch: late_money.test_a_late_partial_refund_happens_once(shop, late_money.slow_of(shop, patch)),
    ),
    "what the processor gave back already is not heard": (
        lambda patch: patch.setattr(refunding.RefundPayment, "_hear", nothing),
        lambda shop, patch: late_money.test_what_somebody_gave_back_at_the_processor_is_not_given_back_again(
            shop, late_money.slow_of(shop, patch)
        ),
    ),
    "a second press gives back again": (
        lambda patch: patch.setattr(money, "refundable_cents", lambda order: 6990),
        lambda shop, patch: returns.test_two_presses_are_one_refund(shop),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_caught(shop: Shop, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    put_in, caught_by = BUGS[bug]
    put_in(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, ObjectDoesNotExist)):
        caught_by(shop, monkeypatch)
