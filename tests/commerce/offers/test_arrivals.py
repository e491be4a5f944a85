"""A message that bounces is told to the clinician beside its link, and goes another way with one press (REL-F52)."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from ehrcommerce.commerce.offers import arrivals, services
from ehrcommerce.commerce.offers.models import Contact, LinkState, PurchaseLink
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers import messages
from ehrcommerce.suppliers.messages import MessageTold
from ehrcommerce.suppliers.models import Port
from tests.commerce.shop import Shop


def sent(shop: Shop) -> PurchaseLink:
    """Sent by text, with an e-mail address on file beside."""
    link = shop.link(DEVICE, state=LinkState.SENT)
    Contact.objects.create(
        organization=shop.clinic, offer=link.offer, channel="email", value="cy@example.org", masked="c...@example.org"
    )
    at = timezone.now()
    outbox.plan(kind="offers.link", subject=str(link.public_id), organization_id=shop.clinic.pk, at=at)
    shop.run("offers.link")
    return link


def told(shop: Shop, link: PurchaseLink, kind: str) -> None:
    last = Effect.objects.filter(kind="offers.link", subject=str(link.public_id)).latest("pk")
    messages._news(shop.supplier(Port.MESSAGING), last.public_id, MessageTold(kind), timezone.now())
    shop.run("offers.undelivered")


def waits(shop: Shop) -> list[str]:
    rows = Effect.objects.filter(organization_id=shop.clinic.pk, kind="offers.undelivered", state="needs_human")
    return list(rows.values_list("code", flat=True))


@pytest.mark.parametrize("kind", ["bounced", "failed", "complained"])
def test_what_did_not_arrive_is_told_and_before_a_person(shop: Shop, kind: str) -> None:
    link = sent(shop)
    assert arrivals.undelivered([link]) == frozenset()
    for _ in range(2):
        told(shop, link, kind)
    assert arrivals.undelivered([link]) == {link.pk}
    assert (services.send_problem(link), waits(shop)) == ("message_bounced", ["message_bounced"])


def test_what_arrived_and_what_was_opened_is_no_trouble(shop: Shop) -> None:
    link = sent(shop)
    told(shop, link, "delivered")
    assert arrivals.undelivered([link]) == frozenset()
    told(shop, link, "bounced")
    PurchaseLink.objects.filter(pk=link.pk).update(state=LinkState.OPENED)
    link.refresh_from_db()
    assert arrivals.undelivered([link]) == frozenset()


def test_it_goes_another_way_and_the_queue_is_empty_again(shop: Shop) -> None:
    link = sent(shop)
    told(shop, link, "bounced")
    (way,) = arrivals.other_ways([link])[link.offer_id]
    assert arrivals.use_other(link=link, contact_id=way.public_id, by=shop.ada.actor, at=timezone.now())
    assert services.resend(link=link, by=shop.ada, at=timezone.now())
    shop.run()
    assert [(one.channel, one.to) for one in shop.messenger.sent] == [
        ("sms", "+13605550101"), ("email", "cy@example.org"),
    ]  # fmt: skip
    assert (arrivals.undelivered([link]), waits(shop)) == (frozenset(), [])


def foreign(shop: Shop) -> UUID:
    return Contact.objects.get(offer=sent(shop).offer, channel="email").public_id


@pytest.mark.parametrize("which", [lambda shop: uuid4(), foreign])
def test_another_offers_contact_is_none_of_it(shop: Shop, which: Any) -> None:
    link = sent(shop)
    assert not arrivals.use_other(link=link, contact_id=which(shop), by=shop.ada.actor, at=timezone.now())
    assert Contact.objects.get(offer=link.offer, carries_link=True).channel == "sms"
