"""How many may still be promised. Taken under the product's row lock, in the order of keys, so that two buyers of the
last one do not both get it and do not wait for each other for ever; a constraint keeps the number from going below 0."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import F

from ehrcommerce.commerce.catalog.models import Product


class OutOfStock(Exception):
    """There are not so many left. Nothing was taken."""


@transaction.atomic
def take(wanted: Mapping[int, int]) -> dict[int, int]:
    """Product id -> how many. Returns what was taken out of a limited stock. Raises OutOfStock, and then takes nothing."""
    rows = Product.objects.select_for_update().filter(pk__in=wanted, in_stock__isnull=False).order_by("pk")
    taken = {}
    for product in rows:
        if (product.in_stock or 0) < wanted[product.pk]:
            raise OutOfStock
        Product.objects.filter(pk=product.pk).update(in_stock=F("in_stock") - wanted[product.pk])
        taken[product.pk] = wanted[product.pk]
    return taken


def put_back(given: Mapping[int, int]) -> None:
    """What was promised and will not be sent may be promised again. A stock that has no limit today stays so."""
    for product_id, quantity in sorted(given.items()):
        Product.objects.filter(pk=product_id, in_stock__isnull=False).update(in_stock=F("in_stock") + quantity)
