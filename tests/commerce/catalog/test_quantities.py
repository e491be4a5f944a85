"""What was ordered is what the price buys: 30 tablets are not the product's 180, and three kits are three."""

import pytest

from ehrcommerce.commerce.catalog import services
from ehrcommerce.commerce.catalog.models import ProductCode
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, Coding, OrderedItem
from ehrcommerce.policy.refusals import REFUSALS
from tests.commerce.shop import RXNORM, Shop


def match(shop: Shop, kind: str, basis: str, quantity: str, unit: str = "") -> services.Match:
    product = shop.product(kind, quantity_basis=basis)
    ProductCode.objects.create(organization=shop.clinic, product=product, system=RXNORM, code=product.sku)
    ordered = OrderedItem(
        key="k", kind=kind, name="", codings=(Coding(RXNORM, product.sku),), quantity=quantity, quantity_unit=unit
    )
    return services.match(ordered, organization_id=shop.clinic.pk)


@pytest.mark.parametrize(
    ("basis", "quantity", "unit"),
    [
        ("180 tablets", "180", "tablet"), ("180 tablets", "180.0", "{tablet}"), ("180 tablets", "180", "TAB"),
        ("1 inhaler", "1", "inhaler"), ("30 capsules", "30", "each"), ("30 capsules", "30", "1"), ("", "", ""),
        ("180 tablets", "180", "{tbl}"), ("5 mL", "5", "mL"), ("3 lozenges", "3", "lozenges"), ("one pack", "", ""),
    ],
)  # fmt: skip
def test_the_same_amount_is_sold_once(shop: Shop, basis: str, quantity: str, unit: str) -> None:
    found = match(shop, PRESCRIPTION, basis, quantity, unit)
    assert (found.refusal, found.quantity) == ("", 1)


@pytest.mark.parametrize(
    ("basis", "quantity", "unit"),
    [
        ("180 tablets", "30", "tablet"), ("180 tablets", "180", "capsule"), ("180 tablets", "180", "mL"),
        ("180 tablets", "", ""), ("", "180", "tablet"), ("180 tablets", "many", ""), ("1 inhaler", "2", "inhaler"),
        ("180 tablets", "NaN", ""),
    ],
)  # fmt: skip
def test_another_amount_of_a_medicine_is_refused_by_name(shop: Shop, basis: str, quantity: str, unit: str) -> None:
    found = match(shop, PRESCRIPTION, basis, quantity, unit)
    assert found.refusal == "other_quantity"
    assert found.product is not None
    assert not found.sold
    assert "other_quantity" in REFUSALS


@pytest.mark.parametrize(
    ("basis", "unit"),
    [
        ("180 tablets", ""), ("180 tablets", "foo"), ("180 tablets", "U"), ("180 mL", ""), ("180 mL", "each"),
        ("180", "tablet"),
    ],
)  # fmt: skip
def test_a_unit_that_is_missing_or_that_nobody_knows_holds_the_order(shop: Shop, basis: str, unit: str) -> None:
    """[REL-F58]"""
    found = match(shop, PRESCRIPTION, basis, "180", unit)
    assert (found.refusal, found.sold) == ("other_quantity", False)


@pytest.mark.parametrize(("quantity", "sold"), [("", 1), ("1", 1), ("3", 3), ("3.0", 3), ("10", 10)])
def test_as_many_kits_are_sold_as_were_ordered(shop: Shop, quantity: str, sold: int) -> None:
    found = match(shop, KIT, "1 kit", quantity)
    assert (found.refusal, found.quantity) == ("", sold)


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "11", "some", "Infinity"])
def test_a_number_of_kits_that_cannot_be_sent_is_refused(shop: Shop, quantity: str) -> None:
    assert match(shop, KIT, "1 kit", quantity).refusal == "other_quantity"


def test_a_device_has_no_amount_of_its_own_in_the_chart(shop: Shop) -> None:
    found = match(shop, DEVICE, "1 box of 50", "")
    assert (found.refusal, found.quantity) == ("", 1)
