"""An order that the chart stops is not sent (REL-P20), at each moment of its life, whatever the chart calls it. The oracle
is what the supplier and the processor wrote down, not what our rows say."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import afterstop, services
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders import ledger, reconciling
from ehrcommerce.commerce.orders import services as orders
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox.outcomes import Refused
from ehrcommerce.policy.packets import PRESCRIPTION
from tests.commerce.shop import CY, Shop

STOPS = ["not_active", "on_hold", "entered_in_error", "order_gone"]


def stop(shop: Shop, order: Order, word: str) -> None:
    """The clinician stops it in the chart, and the EHR says "look again"."""
    keys = list(OfferLine.objects.filter(offer=order.offer).values_list("order_key", flat=True))
    for key in keys:
        if word == "order_gone":
            shop.chart.orders.pop(key)
        else:
            shop.chart.refuse(key, word)
    services.hear(organization_id=shop.clinic.pk, order_keys=keys, at=timezone.now())


def placed_and_not_paid(shop: Shop, word: str) -> Order:
    order = shop.place(PRESCRIPTION)
    stop(shop, order, word)
    return order


def while_paying(shop: Shop, word: str) -> Order:
    order = shop.place(PRESCRIPTION)
    payment = orders.start_payment(order=order, by=CY, at=timezone.now())
    stop(shop, order, word)
    shop.payments.says(payment.public_id, "authorized")
    orders.look_at_payment(payment=payment, at=timezone.now())
    return order


def paid_and_queued(shop: Shop, word: str) -> Order:
    order = shop.authorized(PRESCRIPTION)
    stop(shop, order, word)
    return order


def in_the_claim(shop: Shop, word: str) -> Order:
    """After the check has read the chart, before the last line."""
    order = shop.authorized(PRESCRIPTION)
    once = [lambda: stop(shop, order, word)]
    shop.chart.while_reading = lambda: once.pop()() if once else None
    return order


def between_guard_and_send(shop: Shop, word: str) -> Order:
    """The bytes are on their way: the supplier has them, and is asked to stop at once."""
    order = shop.authorized(PRESCRIPTION)
    real, once = shop.pharmacy._place, [lambda: stop(shop, order, word)]

    def place(body: bytes, key: str) -> object:
        if once:
            once.pop()()
        return real(body, key)

    shop.pharmacy._place = place  # type: ignore[assignment,method-assign]
    return order


def sent_and_not_answered(shop: Shop, word: str) -> Order:
    order = shop.dispatched(PRESCRIPTION)
    stop(shop, order, word)
    return order


def accepted_and_captured(shop: Shop, word: str) -> Order:
    order = shop.accepted(PRESCRIPTION)
    stop(shop, order, word)
    return order


Moment = Callable[[Shop, str], Order]
NOTHING_GOES: list[Moment] = [placed_and_not_paid, while_paying, paid_and_queued, in_the_claim]
ASKED_BACK: list[Moment] = [between_guard_and_send, sent_and_not_answered, accepted_and_captured]


def net_cents(shop: Shop) -> int:
    """What the processor kept, by its own journal."""
    signs = {"capture": 1, "refund": -1, "void": 0}
    return sum(signs[verb] * cents for verb, cents in shop.payments.acts)


def everything_follows(shop: Shop) -> None:
    """Also the second look: "gone" counts when the chart says it twice, ten seconds apart."""
    shop.run()
    shop.later("fulfillment.recheck", seconds=30)
    shop.run()


@pytest.mark.parametrize("word", STOPS)
@pytest.mark.parametrize("moment", NOTHING_GOES)
def test_before_it_was_sent_nothing_is_sent_and_nothing_is_kept(shop: Shop, moment: Moment, word: str) -> None:
    order = moment(shop, word)
    everything_follows(shop)
    assert shop.pharmacy.placed == []
    assert net_cents(shop) == 0
    assert all(one.state not in ("authorized", "captured") for one in shop.payments.sessions.values())
    assert shop.fresh(order).state == "cancelled"
    assert reconciling.crooked(shop.clinic.pk) == []


@pytest.mark.parametrize("word", STOPS)
@pytest.mark.parametrize("moment", ASKED_BACK)
def test_after_it_was_sent_it_is_asked_back_and_paid_back(shop: Shop, moment: Moment, word: str) -> None:
    order = moment(shop, word)
    everything_follows(shop)
    assert len(shop.pharmacy.placed) <= 1
    assert {one.state for one in shop.pharmacy.orders.values()} == {"cancelled"}
    assert net_cents(shop) == 0
    assert all(one.state in ("voided", "refunded") for one in shop.payments.sessions.values())
    assert shop.fresh(order).state == "cancelled"
    assert ledger.balance(order, ledger.PROCESSOR) == ledger.balance(order, ledger.HELD) == 0
    assert shop.effect("fulfillment.attention").state == "done"


@pytest.mark.parametrize("word", STOPS)
def test_after_it_left_a_person_is_told_and_the_patient_too(shop: Shop, word: str) -> None:
    order = shop.accepted(PRESCRIPTION)
    shop.hears(shop.fulfillment(order), "shipped")
    shop.run()
    stop(shop, order, word)
    everything_follows(shop)
    effect = shop.effect("fulfillment.attention")
    assert (effect.state, effect.code) == ("needs_human", "stopped_on_its_way")
    assert len(shop.pharmacy.placed) == 1
    assert "news" in shop.told()


def test_what_can_still_be_done_is_said_and_the_item_ends_when_patient_and_goods_are_settled(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    assert afterstop.choices(order) == []
    shop.hears(shop.fulfillment(order), "shipped")
    stop(shop, order, "not_active")
    everything_follows(shop)
    assert [one.step for one in afterstop.choices(order)] == ["told", "recalled", "return"]
    shop.hears(shop.fulfillment(order), "delivered")
    everything_follows(shop)
    assert shop.effect("fulfillment.attention").code == "stopped_after_delivery"
    assert [one.step for one in afterstop.choices(order)] == ["told", "return", "kept"]
    for step in ("told", "told", "return"):
        assert shop.effect("fulfillment.attention").state == "needs_human"
        afterstop.mark(order=order, step=step, by=shop.ada.actor, at=timezone.now())
        shop.run("fulfillment.attention")
    assert shop.effect("fulfillment.attention").state == "done"
    assert shop.events(order).count("after_stop") == 2


def test_until_the_supplier_confirms_a_person_watches_and_its_no_is_said_plainly(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION)
    stop(shop, order, "not_active")
    shop.run("fulfillment.recheck")
    shop.run("fulfillment.attention")
    assert shop.effect("fulfillment.attention").code == "stop_not_confirmed"
    shop.pharmacy.cancel_faults.coming = [Refused("too_late")]
    shop.run()
    assert shop.effect("fulfillment.attention").code == "stop_refused"
    assert "cancel_too_late" in shop.events(order)
    assert "news" in shop.told()
    shop.hears(shop.fulfillment(order), "returned")
    shop.run()
    assert shop.effect("fulfillment.attention").state == "done"


def test_an_amended_order_is_not_sent_as_it_was(shop: Shop) -> None:  # REL-P21
    order = shop.authorized(PRESCRIPTION)
    (key,) = OfferLine.objects.filter(offer=order.offer).values_list("order_key", flat=True)
    shop.chart.change(key, dose="5 g")
    shop.chart.change(key, dose="0.5 g")  # two amendments: the newer one stands, and it is not what was bought either
    shop.run()
    assert shop.pharmacy.placed == []
    assert (shop.fresh(order).state, shop.fresh(order).money) == ("cancelled", "voided")
