"""News of an order that bounces is shown to a person until the patient knows. [REL-F52]"""

from django.utils import timezone

from ehrcommerce.commerce.fulfillment import timeline, untold
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import queue
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers import messages
from ehrcommerce.suppliers.messages import MessageTold
from ehrcommerce.suppliers.models import Port
from tests.commerce.shop import Shop


def told(shop: Shop, effect: Effect, kind: str) -> None:
    messages._news(shop.supplier(Port.MESSAGING), effect.public_id, MessageTold(kind), timezone.now())
    shop.run("fulfillment.untold")


def news_of(shop: Shop, order: Order) -> Effect:
    return timeline.effects_of(order).filter(kind="fulfillment.notify", state="done").latest("pk")


def test_a_status_message_that_bounced_is_before_a_person_until_one_arrives(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    first = news_of(shop, order)
    told(shop, first, "delivered")
    assert not Effect.objects.filter(kind="fulfillment.untold").exists()
    for _ in range(2):
        told(shop, first, "bounced")
    effect = Effect.objects.get(kind="fulfillment.untold")
    assert (effect.state, effect.code, timeline.order_of(effect)) == ("needs_human", "status_bounced", order)
    assert effect in timeline.waiting(order)
    shop.hears(shop.fulfillments(order)[0], "shipped", tracking_number="T-1", carrier="Post")
    shop.run()
    later = news_of(shop, order)
    assert later != first
    told(shop, later, "delivered")
    effect.refresh_from_db()
    assert (effect.state, untold.is_untold(order)) == ("done", False)


def test_who_closes_it_has_called_the_patient(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    told(shop, news_of(shop, order), "failed")
    effect = Effect.objects.get(kind="fulfillment.untold")
    queue.close(effect, happened=False, reason="done_elsewhere", by=shop.ada.actor, at=timezone.now())
    effect.refresh_from_db()
    assert effect.state == "rejected"
