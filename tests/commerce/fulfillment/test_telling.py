"""What the patient is told of an order in several parcels, and by whom: one message for each real step, and after an
outage the same messenger or none."""

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers.messages import fits_one_segment, render
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.doubles import FakeMessenger
from tests.commerce.shop import Shop
from tests.outbox.probe import OP

NEW = ("shipped_part", "shipped_all", "delivered_part", "delivered_all")


# -- steps ------------------------------------------------------------------------------------------------------------
def test_three_parcels_are_told_as_part_and_as_all(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE, KIT)
    for state in ("shipped", "delivered"):
        for fulfillment in shop.fulfillments(order):
            shop.hears(fulfillment, state)
            shop.run()
    assert shop.told() == ["paid", "accepted", "shipped_part", "shipped_all", "delivered_part", "delivered_all"]


def test_one_parcel_is_told_without_parts(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION)
    for state in ("shipped", "delivered"):
        shop.hears(shop.fulfillment(order), state)
    shop.run()
    assert shop.told() == ["paid", "accepted", "shipped", "delivered"]


def test_it_is_being_packed_is_not_said_before_all_have_answered_nor_after_something_left(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    shop.hears(device, "accepted")
    shop.run()
    assert "accepted" not in shop.told()
    shop.hears(device, "shipped")
    shop.hears(medicine, "accepted")
    shop.run()
    assert shop.told() == ["paid", "shipped_part"]


def test_the_news_of_a_part_that_became_the_whole_meanwhile_is_not_sent(shop: Shop) -> None:
    order = shop.accepted(PRESCRIPTION, DEVICE)
    for fulfillment in shop.fulfillments(order):
        shop.hears(fulfillment, "delivered")
    shop.run()
    assert shop.told() == ["paid", "accepted", "delivered_all"]


def test_a_part_that_was_refused_is_not_waited_for(shop: Shop) -> None:
    order = shop.dispatched(PRESCRIPTION, DEVICE)
    device, medicine = shop.fulfillments(order)
    shop.hears(medicine, "refused")
    shop.hears(device, "accepted")
    shop.hears(device, "delivered")
    shop.run()
    assert shop.told()[-1] == "delivered"


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_words_are_neutral_and_fit_one_text(shop: Shop, name: str, language: str) -> None:
    words = render(
        f"status_{name}", language=language, organization=shop.clinic,
        context={"url": "https://order.example.org/l/7K3M9QXTB2VW4HND8RZC5P2345/"},
    )  # fmt: skip
    assert fits_one_segment(words.sms)
    whole, english = name.endswith("_all"), language == "en"
    expected = ("all of your" if english else "todo su") if whole else ("part of your" if english else "parte de su")
    assert expected in words.sms
    assert expected in words.text.lower()
    assert expected in words.html.lower()


# -- by whom ----------------------------------------------------------------------------------------------------------
def another_messenger(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> FakeMessenger:
    """From now on a second messenger is the one that a new choice finds first."""
    (first,) = Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING)
    second, other = shop.add_supplier(Port.MESSAGING), FakeMessenger()
    Supplier.objects.filter(pk=first.pk).update(active=False)
    before = shop.adapter_of
    monkeypatch.setattr(chosen, "adapter_of", lambda row: other if row.pk == second.pk else before(row))
    return other


def test_a_message_in_doubt_is_not_said_by_another_messenger(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.authorized(PRESCRIPTION)
    effect = shop.effect("fulfillment.notify")
    with monkeypatch.context() as outage:
        outage.setattr(FakeMessenger, "deliver", dropped)
        outbox.run(str(effect.public_id))
    other = another_messenger(shop, monkeypatch)
    for _ in range(3):
        shop.later("fulfillment.notify")
        shop.run("fulfillment.notify")
    assert (len(shop.messenger.sent), other.sent) == (1, [])
    assert (shop.effect("fulfillment.notify").state, shop.effect("fulfillment.notify").code) == (
        "needs_human", "no_messaging_supplier",
    )  # fmt: skip
    Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING).update(active=True)
    outbox.retry(shop.effect("fulfillment.notify"), by=OP, at=timezone.now())
    shop.run("fulfillment.notify")
    assert (len(shop.messenger.sent), other.sent) == (1, [])


def dropped(self: FakeMessenger, body: bytes, *, idempotency_key: str) -> None:
    """It is delivered, and the answer is lost."""
    from ehrcommerce.wire.errors import Unanswered

    DELIVER(self, body, idempotency_key=idempotency_key)
    raise Unanswered("messenger")


DELIVER = FakeMessenger.deliver


def test_the_messenger_stands_in_the_row_from_the_planning_on(shop: Shop) -> None:
    shop.authorized(PRESCRIPTION)
    assert shop.effect("fulfillment.notify").recipient == shop.supplier(Port.MESSAGING).party


def test_what_never_went_out_may_be_given_to_another(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.authorized(PRESCRIPTION)
    other = another_messenger(shop, monkeypatch)
    shop.run("fulfillment.notify")
    assert (shop.messenger.sent, len(other.sent)) == ([], 1)
    row = shop.effect("fulfillment.notify")
    found = chosen.by_party(row.recipient, organization_id=shop.clinic.pk)
    assert found is not None
    assert found.active


def test_a_message_that_was_planned_without_a_messenger_is_carried_by_the_first_there_is(shop: Shop) -> None:
    Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING).update(active=False)
    shop.authorized(PRESCRIPTION)
    assert shop.effect("fulfillment.notify").recipient == ""
    Supplier.objects.filter(organization=shop.clinic, port=Port.MESSAGING).update(active=True)
    shop.run("fulfillment.notify")
    assert len(shop.messenger.sent) == 1
    assert shop.effect("fulfillment.notify").recipient == shop.supplier(Port.MESSAGING).party
