"""One product or a named refusal: never the nearest one."""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import codes, services
from ehrcommerce.commerce.catalog.models import Product, ProductCode, UnmappedCode
from ehrcommerce.policy.packets import DEVICE, KIT, PRESCRIPTION, Coding, OrderedItem
from ehrcommerce.policy.refusals import REFUSALS
from ehrcommerce.workbench.demo_catalog import PRODUCTS
from tests.commerce.shop import RXNORM, Shop

OP = Actor("user", "catalog")


def item(*codings: tuple[str, str], kind: str = PRESCRIPTION, name: str = "", key: str = "k") -> OrderedItem:
    return OrderedItem(key=key, kind=kind, name=name, codings=tuple(Coding(system, code) for system, code in codings))


def sell(shop: Shop, *rows: tuple[str, str], kind: str = PRESCRIPTION, **changes: Any) -> Product:
    product = shop.product(kind, **changes)
    for system, code in rows:
        ProductCode.objects.create(organization=shop.clinic, product=product, system=system, code=code)
    return product


def found(shop: Shop, one: OrderedItem) -> services.Match:
    return services.match(one, organization_id=shop.clinic.pk)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ((RXNORM, "861007"), ("urn:oid:2.16.840.1.113883.6.88", "861007")),
        (("http://hl7.org/fhir/sid/ndc", "00093-1048-01"), ("http://hl7.org/fhir/sid/ndc", "00093104801")),
        (("http://hl7.org/fhir/sid/ndc", "00093104801"), ("urn:oid:2.16.840.1.113883.6.69", "0093-1048-01")),
        (("http://hl7.org/fhir/sid/ndc", "0093-1048-01"), ("http://hl7.org/fhir/sid/ndc", "00093104801")),
        (("http://loinc.org", "4548-4"), ("urn:oid:2.16.840.1.113883.6.1", "4548-4")),
        (
            ("http://www.ama-assn.org/go/cpt", "A7034"),
            ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "a7034"),
        ),
        (("http://loinc.org", "4548-4"), ("http://loinc.org/", " 4548-4 ")),
    ],
)
def test_one_code_in_two_spellings(shop: Shop, stored: tuple[str, str], asked: tuple[str, str]) -> None:
    product = sell(shop, stored)
    assert found(shop, item(asked)).product == product


def test_the_same_number_in_another_system_is_another_code(shop: Shop) -> None:
    sell(shop, (RXNORM, "861007"))
    assert found(shop, item(("http://loinc.org", "861007"))).refusal == "no_product"


def test_another_kind_of_order_does_not_find_it(shop: Shop) -> None:
    sell(shop, (RXNORM, "861007"))
    assert found(shop, item((RXNORM, "861007"), kind=DEVICE)).refusal == "no_product"


def test_any_of_the_codings_will_do(shop: Shop) -> None:
    product = sell(shop, (RXNORM, "861007"))
    assert found(shop, item(("http://local.example.org", "77"), (RXNORM, "861007"))).product == product


def test_codings_that_disagree_find_nothing(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"))
    sell(shop, (RXNORM, "2"))
    match = found(shop, item((RXNORM, "1"), (RXNORM, "2")))
    assert (match.product, match.refusal) == (None, "codes_disagree")


def test_two_products_for_one_code_are_the_catalogs_to_choose_from(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"))
    sell(shop, (RXNORM, "1"), ("http://loinc.org", "2"))
    for codings in (((RXNORM, "1"),), ((RXNORM, "1"), ("http://loinc.org", "2"))):
        match = found(shop, item(*codings))
        assert (match.product, match.refusal) == (None, "ambiguous")


def test_a_code_of_a_retired_product_still_disagrees_with_another_code(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"), active=False)
    sell(shop, (RXNORM, "2"))
    assert found(shop, item((RXNORM, "1"), (RXNORM, "2"))).refusal == "codes_disagree"


def test_who_must_act_differs_between_two_products_and_two_meanings() -> None:
    assert [REFUSALS[code].who for code in ("ambiguous", "codes_disagree")] == ["catalog", "clinician"]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"controlled_schedule": "II", "price_cents": 100}, "controlled"),
        ({"controlled_schedule": "IV", "active": False, "price_cents": None}, "controlled"),
        ({"active": False}, "retired"),
        ({"price_cents": None}, "no_price"),
        ({"price_cents": 0}, "no_price"),
    ],
)
def test_what_is_not_sold_says_why(shop: Shop, changes: dict[str, Any], refusal: str) -> None:
    sell(shop, (RXNORM, "1"), **changes)
    match = found(shop, item((RXNORM, "1")))
    assert match.refusal == refusal
    assert not match.sold
    assert refusal in REFUSALS


def test_a_controlled_medicine_hides_behind_no_other_coding(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"))
    sell(shop, (RXNORM, "2"), controlled_schedule="II")
    assert found(shop, item((RXNORM, "1"), (RXNORM, "2"))).refusal == "controlled"


def test_a_retired_product_gives_way_to_its_successor(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"), active=False)
    product = sell(shop, (RXNORM, "1"))
    assert found(shop, item((RXNORM, "1"))).product == product


def test_words_are_the_last_resort_and_must_be_confirmed(shop: Shop) -> None:
    named = item(name="Lisinopril  (PRINIVIL) 5 MG tablet")
    assert found(shop, named).refusal == "no_product"
    product = sell(shop, (codes.DISPLAY_SYSTEM, codes.words_of("lisinopril (prinivil) 5 mg TABLET")))
    assert found(shop, named).product == product
    other = sell(shop, (RXNORM, "9"))
    assert found(shop, item((RXNORM, "9"), name=named.name)).product == other


def test_a_neighbors_catalog_is_not_seen(shop: Shop) -> None:
    sell(shop, (RXNORM, "1"))
    assert services.match(item((RXNORM, "1")), organization_id=shop.clinic.pk + 1).refusal == "no_product"


def test_a_whole_list_is_one_question(shop: Shop) -> None:
    product = sell(shop, (RXNORM, "1"))
    items = [item((RXNORM, str(number)), key=f"k{number}") for number in range(30)]
    with CaptureQueriesContext(connection) as asked:
        matches = services.match_all(items, organization_id=shop.clinic.pk)
    assert len(asked) == 1
    assert matches["k1"].product == product
    assert {match.refusal for key, match in matches.items() if key != "k1"} == {"no_product"}
    assert services.match_all([], organization_id=shop.clinic.pk) == {}


def test_what_finds_nothing_is_noted_once_and_counted(shop: Shop) -> None:
    at = timezone.now()
    one = item(("urn:oid:2.16.840.1.113883.6.88", "5"), name="something")
    for _ in range(3):
        services.note_unmapped(
            [one, item(name="Only  words", key="k2"), item(key="k3")], organization_id=shop.clinic.pk, at=at
        )
    rows = {row.shown_code: row for row in UnmappedCode.objects.filter(organization=shop.clinic)}
    assert {code: row.times_seen for code, row in rows.items()} == {"5": 3, "": 3}
    assert rows["5"].system == RXNORM
    assert rows["5"].display == "", "the chart's words for a coded order are not needed"
    assert rows[""].display == "only words"


def stored(shop: Shop) -> str:
    """The queue as it lies in the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(row_to_json(u)::text, '') FROM catalog_unmappedcode u WHERE organization_id = %s",
            [shop.clinic.pk],
        )
        return str(cursor.fetchone()[0])


def test_the_charts_own_words_lie_sealed_until_somebody_decides_then_they_go(shop: Shop) -> None:
    at = timezone.now()
    local, public = (
        OrderedItem(key=code, kind=PRESCRIPTION, name="own words", codings=(Coding(system, code, display),))
        for system, code, display in (("urn:local", "77", "local words"), (RXNORM, "6", "published words"))
    )
    items = [item(name="Free text of Dr. Okafor"), local, public]
    services.note_unmapped(items, organization_id=shop.clinic.pk, at=at)
    assert not any(words in stored(shop) for words in ("okafor", "Okafor", "own words", "local words"))
    rows = {row.shown_code: row for row in UnmappedCode.objects.filter(organization=shop.clinic)}
    shown = {code: row.display for code, row in rows.items()}
    assert shown == {"": "free text of dr. okafor", "77": "", "6": "published words"}
    product = shop.product(PRESCRIPTION)
    services.map_code(unmapped=rows[""], product=product, by=OP, at=at)
    assert found(shop, items[0]).product == product
    assert services.erase_words(shop.clinic.pk, at) == 1
    assert UnmappedCode.objects.get(pk=rows[""].pk).display == ""
    assert services.erase_words(shop.clinic.pk, at + timedelta(days=91)) == 2
    assert list(UnmappedCode.objects.filter(organization=shop.clinic)) == [rows[""]]


def test_erased_words_are_not_mapped_to_anything(shop: Shop) -> None:
    at = timezone.now()
    services.note_unmapped([item(name="words")], organization_id=shop.clinic.pk, at=at)
    row = UnmappedCode.objects.get(organization=shop.clinic)
    row.never_sell = True
    row.save()
    services.erase_words(shop.clinic.pk, at)
    row.refresh_from_db()
    with pytest.raises(services.NoWords):
        services.map_code(unmapped=row, product=shop.product(PRESCRIPTION), by=OP, at=at)


def test_an_administrator_maps_a_code_and_the_audit_says_so(shop: Shop) -> None:
    at = timezone.now()
    one = item((RXNORM, "5"))
    services.note_unmapped([one], organization_id=shop.clinic.pk, at=at)
    unmapped = UnmappedCode.objects.get(organization=shop.clinic, code="5")
    with pytest.raises(services.WrongKind):
        services.map_code(unmapped=unmapped, product=shop.product(KIT), by=OP, at=at)
    product = shop.product(PRESCRIPTION)
    services.map_code(unmapped=unmapped, product=product, by=OP, at=at)
    services.map_code(unmapped=unmapped, product=product, by=OP, at=at)
    assert found(shop, one).product == product
    assert ProductCode.objects.filter(product=product).count() == 1
    assert AuditEvent.objects.filter(action="catalog.mapped", entity=f"product:{product.public_id}").exists()


def test_the_demo_catalog_loads_twice_and_finds_its_own_codes(shop: Shop) -> None:
    rows = [asdict(product) for product in PRODUCTS]
    for _ in range(2):
        assert services.load_products(shop.clinic, rows, by=OP, at=timezone.now()) == len(PRODUCTS)
    assert Product.objects.filter(organization=shop.clinic).count() == len(PRODUCTS)
    adderall = item(name="amphetamine-dextroamphetamine XR (ADDERALL XR) 30 MG 24 hr capsule")
    assert found(shop, adderall).refusal == "controlled"
    for product in PRODUCTS:
        system, code, _ = product.codes[0]
        one = item((system, code), kind=product.kind, name="" if system != codes.DISPLAY_SYSTEM else code)
        amount, _, unit = product.quantity_basis.partition(" ")
        match = found(shop, replace(one, quantity=amount, quantity_unit=unit))
        assert match.product is not None, product.sku
        assert match.product.sku == product.sku
        assert match.sold == bool(product.sellable and product.price_cents)
