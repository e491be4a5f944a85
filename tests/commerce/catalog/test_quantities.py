"""What was ordered is what the price buys: 30 tablets are not the product's 180, and three kits are three."""

import pytest

from ehrcommerce.commerce.catalog import services
from ehrcommerce.commerce.catalog.models import ProductCode
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, Coding, OrderedItem, Parameter
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


def device(shop: Shop, basis: str, *said: str, name: str = "Quantity") -> services.Match:
    product = shop.product(DEVICE, quantity_basis=basis)
    ProductCode.objects.create(organization=shop.clinic, product=product, system=RXNORM, code=product.sku)
    ordered = OrderedItem(
        key="k", kind=DEVICE, name="", codings=(Coding(RXNORM, product.sku),),
        parameters=(Parameter("size", "5"), *(Parameter(name, value) for value in said)),
    )  # fmt: skip
    return services.match(ordered, organization_id=shop.clinic.pk)


def test_a_device_whose_order_says_no_amount_is_sold_once(shop: Shop) -> None:
    found = device(shop, "1 box of 50")
    assert (found.refusal, found.quantity) == ("", 1)


@pytest.mark.parametrize(
    ("basis", "said", "sold"),
    [
        ("1 box of 50", "2 box", 2), ("1 box of 50", "3 Boxes", 3), ("50 strips", "100 strips", 2), ("1 piece", "2", 2),
        ("1 stocking", "2 each", 2), ("1 stocking", "2 {piece}", 2), ("", "4", 4), ("1 box of 50", "1 box", 1),
        ("1 box of 50", "2 {box}", 2), ("1 piece", "3 1", 3), ("1 box of 50", "2 boxes of strips", 2), ("1 piece", "2.0", 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Quantity", "count"])
def test_as_many_of_a_device_are_sold_as_were_ordered(shop: Shop, basis: str, said: str, sold: int, name: str) -> None:
    found = device(shop, basis, said, name=name)
    assert (found.refusal, found.quantity) == ("", sold)


@pytest.mark.parametrize(
    ("basis", "said"),
    [
        ("1 box of 50", "2"), ("1 box of 50", "100 strips"), ("1 box of 50", "2 each"), ("1 piece", "11"),
        ("1 piece", "0"), ("1 piece", "1.5"), ("1 piece", "yes"), ("1 stocking", "1 pair"), ("50 strips", "75 strips"),
        ("some", "2"), ("0 boxes", "2 box"), ("1 piece", "-2"),
        ("1 piece", "1,000"), ("1 piece", "1/2"), ("1 piece", "2-3"), ("1 piece", "2 x 3"), ("1 stocking", "2 {pair}"),
        ("1 piece", "1e1"), ("1 piece", "2 (two)"),
    ],
)  # fmt: skip
def test_an_amount_of_a_device_that_the_price_does_not_make_is_refused(shop: Shop, basis: str, said: str) -> None:
    found = device(shop, basis, said)
    assert (found.refusal, found.sold) == ("other_quantity", False)


def test_two_amounts_in_one_order_that_disagree_are_refused(shop: Shop) -> None:
    assert device(shop, "1 piece", "2", "3").refusal == "other_quantity"
    assert device(shop, "1 piece", "2", "2").quantity == 2
