"""The demo's shop and the demo's charts fit each other: what should sell finds one product, and only that."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.sandbox.data.demo import demo_resources
from ehrcommerce.workbench.demo_catalog import DISPLAY_SYSTEM, PRODUCTS, DemoProduct
from tests.sandbox.data.expected import EXPECTED, SELLABLE

RESOURCES = {f"{resource['resourceType']}/{resource['id']}": resource for resource in demo_resources()}
KIND_OF = {"MedicationRequest": "prescription", "DeviceRequest": "device", "ServiceRequest": "kit"}


def named(order: dict[str, Any]) -> dict[str, Any]:
    """The CodeableConcept that says what was ordered, wherever R4 lets it stand; {} where it cannot be had."""
    inline = order.get("medicationCodeableConcept") or order.get("codeCodeableConcept") or order.get("code")
    if inline:
        return dict(inline)
    target = order["medicationReference"]["reference"]
    if target.startswith("#"):
        return dict(next(part for part in order["contained"] if part["id"] == target[1:])["code"])
    return dict(RESOURCES[target]["code"]) if target in RESOURCES else {}


def products_for(order: dict[str, Any]) -> set[DemoProduct]:
    """By code, within the kind of the order."""
    wanted = {(coding["system"], coding["code"]) for coding in named(order).get("coding", [])}
    kind = KIND_OF[order["resourceType"]]
    return {p for p in PRODUCTS if p.kind == kind and wanted & {(system, code) for system, code, _ in p.codes}}


@pytest.mark.parametrize("reference", [key for key, outcome in EXPECTED.items() if outcome == SELLABLE])
def test_each_sellable_order_finds_one_product_with_a_price(reference: str) -> None:
    [product] = products_for(RESOURCES[reference])
    assert product.sellable
    assert product.price_cents
    assert not product.controlled_schedule


@pytest.mark.parametrize("reference", [key for key in EXPECTED if key.startswith("MedicationRequest/")])
def test_the_price_covers_the_quantity_that_was_prescribed(reference: str) -> None:
    if EXPECTED[reference] == SELLABLE:
        quantity = RESOURCES[reference]["dispenseRequest"]["quantity"]
        count, unit = int(quantity["value"]), quantity["unit"]
        [product] = products_for(RESOURCES[reference])
        assert product.quantity_basis == f"{count} {unit}{'s' if count > 1 else ''}"


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        ("no_product", lambda products: not products),
        ("not_for_sale", lambda products: not products),
        ("no_code", lambda products: not products),
        ("no_price", lambda products: len(products) == 1 and next(iter(products)).price_cents is None),
        ("controlled", lambda products: len(products) == 1 and next(iter(products)).controlled_schedule != ""),
        ("retired", lambda products: len(products) == 1 and not next(iter(products)).sellable),
        ("codes_disagree", lambda products: len(products) == 2),
    ],
)
def test_what_the_catalog_refuses_is_refused_by_the_catalog(outcome: str, found: Any) -> None:
    orders = [RESOURCES[key] for key, expected in EXPECTED.items() if expected == outcome]
    assert orders
    assert all(found(products_for(order)) for order in orders)


def test_a_code_means_one_product_and_a_sku_is_used_once() -> None:
    rows = [(p.kind, system, code) for p in PRODUCTS for system, code, _ in p.codes]
    assert len(rows) == len(set(rows))
    assert len({p.sku for p in PRODUCTS}) == len(PRODUCTS)


def test_the_shop_has_its_odd_ones() -> None:
    assert 38 <= len(PRODUCTS) <= 50
    assert sum(p.price_cents is None and not p.controlled_schedule for p in PRODUCTS) == 2
    assert [p.sku for p in PRODUCTS if not p.sellable and not p.controlled_schedule] == ["DV-CPAP-FULL-MASK"]
    schedules = {p.sku: p.controlled_schedule for p in PRODUCTS if p.controlled_schedule}
    assert (schedules["CS-ZOLPIDEM-5"], schedules["CS-OXYCODONE-5"]) == ("IV", "II")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: str(product.sku))
def test_each_product_is_complete(product: DemoProduct) -> None:
    assert re.fullmatch(r"[A-Z]{2,3}-[A-Z0-9-]+", product.sku)
    assert product.codes
    assert product.name_en != product.name_es
    assert product.supplier == {"prescription": "pharmacy", "device": "devices", "kit": "lab"}[product.kind]
    assert product.service_type == {"prescription": "88", "device": "12", "kit": "30"}[product.kind]
    assert not (product.otc and product.rx_required)
    if product.controlled_schedule:
        assert (product.sellable, product.price_cents) == (False, None)
    else:
        assert product.quantity_basis
        assert product.shipping_weight_g > 0


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: str(product.sku))
def test_the_neutral_name_tells_nothing(product: DemoProduct) -> None:
    assert (product.neutral_name_en, product.neutral_name_es) == ("Item from your clinic", "Artículo de su clínica")


def real_data() -> Path | None:
    wanted = os.environ.get("EHRC_REALDATA")
    folder = Path(wanted) if wanted else Path(__file__).parents[4] / "shared" / "realdata"
    return folder if folder.is_dir() else None


def test_an_epic_shaped_prescription_is_in_the_shop() -> None:
    """Its Medication is a reference with a display and no code: a display row must answer."""
    folder = real_data()
    if folder is None:
        pytest.skip("NO REAL DATA: set EHRC_REALDATA to a folder of published FHIR resources to run this over it.")
    orders = [json.loads(path.read_text()) for path in (folder / "epic-sandbox").glob("MedicationRequest-*.json")]
    sold = {code for p in PRODUCTS if p.price_cents for system, code, _ in p.codes if system == DISPLAY_SYSTEM}
    active = {o["medicationReference"]["display"] for o in orders if (o["status"], o["intent"]) == ("active", "order")}
    assert sold <= active
    assert sold
