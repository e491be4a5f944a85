"""What may be sold by itself by a code: what a person said is certain, and nothing less. Files show first what they would
change, and change exactly that."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import codes, mapping_files, range_files, services
from ehrcommerce.commerce.catalog.models import Confidence, Product, ProductCode, UnmappedCode
from ehrcommerce.policy.packets import DEVICE, PRESCRIPTION, Coding, OrderedItem
from tests.admin.conftest import signed_in, staff_user
from tests.commerce.shop import Shop

OP = Actor("user", "catalog")
PUMP = OrderedItem(key="k", kind=DEVICE, name="", codings=(Coding(codes.HCPCS, "E0784"),))


def code(shop: Shop, product: Product, confidence: str = Confidence.CERTAIN, **changes: Any) -> ProductCode:
    fields = {"system": codes.HCPCS, "code": "E0784", "approved_by": "user:1", **changes}
    return ProductCode.objects.create(organization=shop.clinic, product=product, confidence=confidence, **fields)


def by_itself(shop: Shop, item: OrderedItem = PUMP) -> services.Match:
    return services.match(item, organization_id=shop.clinic.pk, unattended=True)


def looked_at(shop: Shop, item: OrderedItem = PUMP) -> services.Match:
    return services.match(item, organization_id=shop.clinic.pk)


@pytest.mark.parametrize(("confidence", "approved_by", "shown", "sold"), [
    (Confidence.CERTAIN, "user:1", True, True), (Confidence.CERTAIN, "", True, False),
    (Confidence.LIKELY, "user:1", True, False), (Confidence.WEAK, "user:1", False, False),
])  # fmt: skip
def test_only_what_a_person_called_certain_is_sold_by_itself(
    shop: Shop, confidence: str, approved_by: str, shown: bool, sold: bool
) -> None:
    product = shop.product(DEVICE)
    code(shop, product, confidence, approved_by=approved_by)
    assert looked_at(shop).product == (product if shown else None)
    assert by_itself(shop).product == (product if sold else None)
    assert by_itself(shop).refusal == ("" if sold else "no_product")


def test_the_surer_of_two_products_is_meant_and_a_controlled_one_is_refused_however_unsure(shop: Shop) -> None:
    sure, unsure = shop.product(DEVICE), shop.product(DEVICE)
    code(shop, sure)
    code(shop, unsure, Confidence.LIKELY)
    assert looked_at(shop).product == by_itself(shop).product == sure
    code(shop, shop.product(DEVICE, controlled_schedule="IV"), Confidence.WEAK)
    assert {looked_at(shop).refusal, by_itself(shop).refusal} == {"controlled"}


@pytest.mark.parametrize(("system", "text", "shown", "sold"), [
    ("HCPCS", "E0784", True, True), ("http://www.ama-assn.org/go/cpt", "e0784", True, True),
    ("", "E0784", True, False), (codes.RXNORM, "E0784", True, False), ("http://lakeside.example/items", "E0784", False, False),
    (codes.RXNORM, "784", False, False),
])  # fmt: skip
def test_a_code_under_a_wrong_system_is_found_and_never_sold_by_itself_unless_the_system_is_another_name_of_it(
    shop: Shop, system: str, text: str, shown: bool, sold: bool
) -> None:
    product = shop.product(DEVICE)
    code(shop, product)
    item = replace(PUMP, codings=(Coding(system, text),))
    assert looked_at(shop, item).product == (product if shown else None)
    assert by_itself(shop, item).product == (product if sold else None)


def test_one_of_several_is_chosen_in_the_queue_and_the_others_stay_as_hints(shop: Shop) -> None:
    first, second = shop.product(DEVICE), shop.product(DEVICE)
    code(shop, first)
    code(shop, second)
    assert by_itself(shop).refusal == "ambiguous"
    services.reopen(PUMP, organization_id=shop.clinic.pk, at=timezone.now(), reason="ambiguous")
    row = UnmappedCode.objects.get(organization_id=shop.clinic.pk)
    services.map_code(unmapped=row, product=second, by=OP, at=timezone.now())
    assert by_itself(shop).product == looked_at(shop).product == second
    chosen = ProductCode.objects.get(product=second)
    assert (chosen.confidence, chosen.approved_by, chosen.approved_at is not None) == ("certain", str(OP), True)
    assert ProductCode.objects.get(product=first).confidence == "likely"


def test_what_was_mapped_and_is_not_found_any_more_waits_again_but_never_what_is_never_sold(shop: Shop) -> None:
    at, product = timezone.now(), shop.product(DEVICE)
    services.note_unmapped([PUMP], organization_id=shop.clinic.pk, at=at)
    row = UnmappedCode.objects.get(organization_id=shop.clinic.pk)
    services.map_code(unmapped=row, product=product, by=OP, at=at)
    ProductCode.objects.filter(product=product).delete()
    services.reopen(PUMP, organization_id=shop.clinic.pk, at=at, reason="no_product")
    row.refresh_from_db()
    assert row.product is None
    UnmappedCode.objects.filter(pk=row.pk).update(never_sell=True)
    services.reopen(PUMP, organization_id=shop.clinic.pk, at=at, reason="ambiguous")
    row.refresh_from_db()
    assert (row.never_sell, row.reason) == (True, "no_product")


# ----------------------------------------------------------------------------------------------------------------- files
HEAD = "sku,system,code,display,confidence\n"


def read(text: str) -> list[mapping_files.Line]:
    return mapping_files.read(text.encode())


def problems(body: bytes) -> list[str]:
    with pytest.raises(mapping_files.BadFile) as told:
        mapping_files.read(body)
    return told.value.problems


def test_what_goes_out_comes_in_again_as_no_change_and_no_cell_is_a_formula(shop: Shop) -> None:
    product = shop.product(DEVICE, sku="=SKU")
    code(shop, product, display="@cmd|' /C calc'!A0, \"quoted\"")
    code(shop, product, Confidence.WEAK, system="local", code="-1+1")
    text = mapping_files.export(shop.clinic.pk)
    cells = [cell for line in text.splitlines()[1:] for cell in line.split(",")]
    assert not [cell for cell in cells if cell.strip('"').startswith(mapping_files.FORMULA)]
    assert mapping_files.differences(read(text), organization_id=shop.clinic.pk) == []


@pytest.mark.parametrize(("body", "said"), [
    (b"", "columns"), (b"sku;system;code\n", "columns"), (HEAD.encode() + b"A,s,c,\xe9,certain\n", "Row 2"),
    (HEAD.encode() + b"A,s,1,,certain\nA,s,2,,sure\n", "Row 3"), (HEAD.encode() + b"A,s,1\n", "Row 2"),
    (HEAD.encode() + b",s,1,,certain\n", "Row 2: a SKU"), (HEAD.encode() + b"A,s,1\x07,,certain\n", "Row 2"),
    (HEAD.encode() + b"A,s,1,,certain\nA,s,1,,weak\n", "twice"), (HEAD.encode(), "no row"), (b"{", "JSON"),
    (b'{"resourceType":"Patient"}', "ConceptMap"), (HEAD.encode("utf-16"), "Row 1"), (b"[" * 99, "columns"),
    (b"x" * (mapping_files.MOST_BYTES + 1), "bytes"), (b"{" + b'"a":[' * 50_000, "JSON"),
], ids=lambda one: repr(one[:50]))  # fmt: skip
def test_a_file_that_is_not_sound_is_refused_whole_with_its_row(body: bytes, said: str) -> None:
    assert said in " ".join(problems(body))


def test_a_concept_map_says_how_sure_it_is() -> None:
    told = {
        "equal": "certain", "equivalent": "certain", "wider": "likely", "subsumes": "likely", "narrower": "weak",
        "specializes": "weak", "relatedto": "weak", "inexact": "weak", "disjoint": "none",
    }  # fmt: skip
    element = [
        {"code": f"L{n}", "display": "Local", "target": [{"code": "SKU-1", "equivalence": word}]}
        for n, word in enumerate([*told, "unmatched"])
    ]
    found = {"resourceType": "ConceptMap", "group": [{"source": "http://lakeside.example/items", "element": element}]}
    lines = read(json.dumps(found))
    assert {line.code: line.confidence for line in lines} == {f"L{n}": word for n, word in enumerate(told.values())}
    assert {(line.sku, line.system) for line in lines} == {("SKU-1", "http://lakeside.example/items")}
    element[0]["target"] = [{"code": "SKU-1", "equivalence": "sure"}]
    assert "equivalence sure" in problems(json.dumps(found).encode())[0]


def test_exactly_what_was_shown_is_done_or_nothing(shop: Shop) -> None:
    product = shop.product(DEVICE, sku="PUMP")
    code(shop, product, Confidence.LIKELY, approved_by="")
    old = code(shop, product, code="E0785")
    lines = read(HEAD + "PUMP,HCPCS,e0784,Insulin pump,certain\nPUMP,HCPCS,E0785,,none\nPUMP,local,77,,weak\n")
    shown = mapping_files.differences(lines, organization_id=shop.clinic.pk)
    assert [(one.what, one.line.code, one.was) for one in shown] == [
        ("changed", "E0784", "likely"), ("removed", "E0785", "certain"), ("added", "77", ""),
    ]  # fmt: skip
    revision = services.revision(shop.clinic.pk)
    Product.objects.filter(pk=product.pk).update(active=False)
    with pytest.raises(mapping_files.CatalogMoved):
        mapping_files.apply(lines, organization_id=shop.clinic.pk, revision=revision, by=OP, at=timezone.now())
    assert ProductCode.objects.filter(pk=old.pk).exists()
    Product.objects.filter(pk=product.pk).update(active=True)
    assert mapping_files.apply(lines, organization_id=shop.clinic.pk, revision=revision, by=OP, at=timezone.now()) == 3
    assert by_itself(shop).product == product
    assert mapping_files.differences(lines, organization_id=shop.clinic.pk) == []
    assert AuditEvent.objects.filter(organization_id=shop.clinic.pk, action="catalog.codes_imported").count() == 1
    with pytest.raises(mapping_files.BadFile):
        mapping_files.differences(read(HEAD + "NOBODYS,HCPCS,E1,,certain\n"), organization_id=shop.clinic.pk)


def test_the_page_shows_first_and_applies_only_its_own_list(shop: Shop) -> None:
    page = "/admin/catalog/product/codes/"
    shop.product(DEVICE, sku="PUMP")
    keeper, other = (signed_in(staff_user(shop.clinic, role)) for role in ("catalog", "administrator"))
    file = SimpleUploadedFile("codes.csv", (HEAD + "PUMP,HCPCS,E0784,<b>Pump</b>,certain\n").encode())
    shown = keeper.post(page, {"file": file})
    assert "This would change 1 code" in shown.content.decode()
    assert "<b>Pump</b>" not in shown.content.decode()
    assert by_itself(shop).product is None
    plan = shown.context["plan"]
    for client, value in ((keeper, plan + "x"), (other, plan)):
        assert "Nothing was changed" in client.post(page, {"plan": value}).content.decode()
    assert by_itself(shop).product is None
    assert keeper.post(page, {"plan": plan}).status_code == 302
    assert by_itself(shop).product is not None
    row = ProductCode.objects.get(organization=shop.clinic, code="E0784")
    assert row.approved_by.startswith("user:")
    assert b"E0784" in keeper.get(page, {"file": ""}).content


# ---------------------------------------------------------------------------------------------------------------- ranges
RANGES = "sku,measure,low,high,unit\n"


@pytest.mark.parametrize(("row", "said"), [
    ("A,weight,1,2,mg", "measure"), ("A,dose,1,2,spoon", "unit"), ("A,dose,2,1,mg", "low"), ("A,dose,1,,mg", "both"),
    ("A,dose,1e9,2e9,mg", "low"), ("A,dose,NaN,2,mg", "low"), ("A,dose,1,2", "cells"), ("A,dose,1,2,mg\nA,dose,1,3,mg", "twice"),
])  # fmt: skip
def test_a_range_that_is_not_sound_is_refused_with_its_row(row: str, said: str) -> None:
    with pytest.raises(mapping_files.BadFile) as told:
        range_files.read((RANGES + row + "\n").encode())
    assert said in " ".join(told.value.problems)
    assert told.value.problems[0].startswith("Row ")


def test_ranges_come_in_by_the_same_page_with_their_differences_first(shop: Shop) -> None:
    page = "/admin/catalog/product/codes/"
    product = shop.product(PRESCRIPTION, sku="MET")
    keeper = signed_in(staff_user(shop.clinic, "catalog"))

    def load(rows: str) -> str:
        shown = keeper.post(page, {"file": SimpleUploadedFile("ranges.csv", (RANGES + rows).encode())})
        if plan := shown.context.get("plan"):
            keeper.post(page, {"plan": plan})
        return str(shown.content.decode())

    assert "This would change 2 ranges" in load("MET,dose,500,1000,mg\nMET,days,7,100,\n")
    assert "500 to 1000 mg" in load("MET,dose,500,850.5,mg\nMET,days,,,\n")
    (row,) = product.usual_ranges.all()
    assert (row.measure, row.low, row.high) == ("dose", Decimal(500), Decimal("850.5"))
    out = keeper.get(page, {"file": "ranges"}).content.decode()
    assert "Nothing would change" in load(out.partition("\n")[2])
