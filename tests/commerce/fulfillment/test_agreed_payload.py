"""What is sent to each recipient is what the clinician offered and the patient agreed to: number and names of a product
stand from send on, the digest of each recipient's payload from the yes on. A catalog that changes stops the order."""

from collections.abc import Callable

import pytest

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.fulfillment import payloads
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION
from ehrcommerce.suppliers.models import Port, Supplier
from tests.commerce.shop import Shop


def product_of(order: Order) -> Product:
    return Product.objects.get(pk=OfferLine.objects.get(offer=order.offer).product_id)


def renumber(order: Order) -> None:
    """The catalog gives the product another number."""
    product = product_of(order)
    Product.objects.filter(pk=product.pk).update(sku=f"{product.sku}-NEW")


def test_a_product_that_was_renumbered_after_the_order_is_not_dispatched(shop: Shop) -> None:
    order = shop.authorized(DEVICE)
    renumber(order)
    shop.run("fulfillment.dispatch")
    assert shop.devices.placed == []
    assert (shop.fulfillment(order).state, shop.fulfillment(order).reason) == ("exception", "payload_changed")


def test_a_product_that_was_renumbered_between_send_and_order_is_not_dispatched(shop: Shop) -> None:
    order = shop.place(DEVICE)
    renumber(order)
    shop.pay(order)
    shop.run("fulfillment.dispatch")
    assert shop.devices.placed == []
    assert shop.fulfillment(order).reason == "payload_changed"


def test_a_new_name_in_the_catalog_changes_neither_what_is_shown_nor_what_is_sent(shop: Shop) -> None:
    order = shop.authorized(KIT)
    before = product_of(order)
    Product.objects.filter(pk=before.pk).update(name_en="Another test", name_es="Otra prueba")
    line = OfferLine.objects.select_related("product").get(offer=order.offer)
    assert (line.name("en"), line.name("es"), line.sold_as) == (before.name_en, before.name_es, before.sku)
    shop.run("fulfillment.dispatch")
    assert len(shop.lab.placed) == 1


def more_of_the_person(shop: Shop, order: Order) -> None:
    """Since the yes, the pharmacy's row asks for the birth date as well, or no longer."""
    pharmacy = shop.supplier(Port.PHARMACY)
    Supplier.objects.filter(pk=pharmacy.pk).update(needs_birth_date=not pharmacy.needs_birth_date)


def another_quantity(shop: Shop, order: Order) -> None:
    OfferLine.objects.filter(offer=order.offer).update(quantity=7)


@pytest.mark.parametrize("change", [more_of_the_person, another_quantity])
def test_more_than_was_agreed_to_is_not_sent(shop: Shop, change: Callable[[Shop, Order], None]) -> None:
    order = shop.authorized(PRESCRIPTION)
    change(shop, order)
    shop.run("fulfillment.dispatch")
    assert shop.pharmacy.placed == []
    assert (shop.fulfillment(order).state, shop.fulfillment(order).reason) == ("exception", "payload_changed")


def test_each_recipient_has_a_digest_of_its_own(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION, DEVICE, KIT)
    digests = {bytes(yes.payload_digest) for yes in Consent.objects.filter(subject=str(order.offer.public_id))}
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {32}
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == len(shop.devices.placed) == len(shop.lab.placed) == 1


def test_the_digest_depends_on_nothing_but_what_the_recipient_gets(shop: Shop) -> None:
    link = shop.link(PRESCRIPTION, DEVICE)
    lines = list(OfferLine.objects.filter(offer=link.offer).select_related("product"))
    pharmacy = shop.supplier(Port.PHARMACY)
    digest = payloads.agreed(lines, kind=PRESCRIPTION, supplier=pharmacy)
    only = [line for line in lines if line.kind == PRESCRIPTION]
    assert payloads.agreed(list(reversed(lines)), kind=PRESCRIPTION, supplier=pharmacy) == digest
    assert payloads.agreed(only, kind=PRESCRIPTION, supplier=pharmacy) == digest
    only[0].sku = "ANOTHER"
    assert payloads.agreed(only, kind=PRESCRIPTION, supplier=pharmacy) != digest


def test_a_yes_of_before_this_was_kept_still_counts(shop: Shop) -> None:
    order = shop.authorized(PRESCRIPTION)
    Consent.objects.filter(subject=str(order.offer.public_id)).update(payload_digest=b"")
    shop.run("fulfillment.dispatch")
    assert len(shop.pharmacy.placed) == 1
