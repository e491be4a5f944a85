"""Nothing is kept longer than its row of the table says; what proves and what counts stays. [SEC-B14]"""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from ehrcommerce.commerce.fulfillment import erasing
from ehrcommerce.commerce.offers.models import Contact, LinkState, OfferLine, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.policy.packets import DEVICE
from tests.commerce.shop import Shop


def age(shop: Shop, days: int) -> None:
    """Everything of this shop happened `days` earlier."""
    with connection.cursor() as cursor:
        for table, columns in (
            ("offers_offer", ["created_at"]),
            ("offers_purchaselink", ["ended_at"]),
            ("orders_order", ["changed_at"]),
        ):
            for column in columns:
                cursor.execute(
                    f"UPDATE {table} SET {column} = {column} - make_interval(days => %s) WHERE organization_id = %s",
                    [days, shop.clinic.pk],
                )


def held(shop: Shop) -> tuple[int, int]:
    """How many contacts and packets can still be read."""
    contacts = sum(bool(contact.value) for contact in Contact.objects.filter(organization=shop.clinic))
    packets = sum(bool(line.packet) for line in OfferLine.objects.filter(organization=shop.clinic))
    return contacts, packets


def erase(shop: Shop) -> None:
    at = timezone.now()
    with transaction.atomic():
        erasing.erase_contacts(shop.clinic.pk, at)
        erasing.erase_packets(shop.clinic.pk, at)


def test_a_link_that_nobody_used_is_forgotten_in_two_steps(shop: Shop) -> None:
    link = shop.link(DEVICE)
    PurchaseLink.objects.filter(pk=link.pk).update(state=LinkState.EXPIRED, ended_at=timezone.now())
    erase(shop)
    assert held(shop) == (1, 1)
    age(shop, 8)
    erase(shop)
    assert held(shop) == (0, 1)
    age(shop, 30)
    digest = OfferLine.objects.get(organization=shop.clinic).digest
    erase(shop)
    assert held(shop) == (0, 0)
    assert OfferLine.objects.get(organization=shop.clinic).digest == digest


def test_a_live_link_and_an_open_order_keep_what_they_need(shop: Shop) -> None:
    shop.link(DEVICE)
    order = shop.authorized(DEVICE)
    age(shop, 60)
    PurchaseLink.objects.filter(offer=order.offer).update(ended_at=timezone.now() - timedelta(days=60))
    erase(shop)
    assert held(shop) == (2, 2)


def test_an_order_that_ended_is_forgotten_from_its_end_on(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    Order.objects.filter(pk=order.pk).update(state="completed")
    age(shop, 8)
    erase(shop)
    assert held(shop) == (0, 1)
