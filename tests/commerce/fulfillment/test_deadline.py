"""Two days are over and the order has not gone out: the money goes back, unless the supplier has it all the same."""

import pytest
from django.utils import timezone

from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import TryAgain
from ehrcommerce.policy.packets import PRESCRIPTION
from ehrcommerce.suppliers.ports import SupplyStatus
from ehrcommerce.wire.errors import BadAnswer, NotSent
from tests.commerce.shop import Shop


def test_a_supplier_that_is_down_for_two_days_gives_the_money_back(shop: Shop) -> None:  # REL-F13
    order = shop.authorized(PRESCRIPTION)
    effect = shop.effect("fulfillment.dispatch")
    Effect.objects.filter(pk=effect.pk).update(deadline_at=timezone.now())
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fulfillment(order).reason) == ("refused", "not_in_time")
    assert shop.fresh(order).money == "voided"


@pytest.mark.parametrize(
    ("problem", "after"), [(NotSent("p"), ("refused", "voided")), (BadAnswer("p"), ("exception", "authorized"))]
)
def test_a_supplier_that_cannot_be_asked_at_the_deadline(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, problem: Exception, after: tuple[str, str]
) -> None:
    def fails(reference: str) -> None:
        raise problem

    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = [TryAgain("partner_busy")]
    shop.run("fulfillment.dispatch", rounds=1)
    monkeypatch.setattr(shop.pharmacy, "find", fails)
    Effect.objects.filter(pk=shop.effect("fulfillment.dispatch").pk).update(deadline_at=timezone.now())
    shop.later("fulfillment.dispatch")
    shop.run()
    assert (shop.fresh(order).state, shop.fresh(order).money) == after


@pytest.mark.parametrize("stored", [True, False])
def test_after_two_days_the_supplier_is_asked_before_the_money_goes_back(shop: Shop, stored: bool) -> None:
    order = shop.authorized(PRESCRIPTION)
    shop.pharmacy.faults.coming = [TryAgain("partner_busy")]
    shop.run("fulfillment.dispatch", rounds=1)
    reference, effect = str(shop.fulfillment(order).public_id), shop.effect("fulfillment.dispatch")
    if stored:
        shop.pharmacy.orders[reference] = SupplyStatus(reference, "S-1", "accepted")
    Effect.objects.filter(pk=effect.pk).update(deadline_at=timezone.now())
    shop.later("fulfillment.dispatch")
    shop.run()
    after = ("accepted", "captured") if stored else ("refused", "voided")
    assert (shop.fresh(order).state, shop.fresh(order).money) == after
    assert shop.pharmacy.placed == []
