"""Which product answers to an order of the chart. Never the nearest one: one product or a named refusal."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import F, Func, IntegerField, Q

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import codes, plausible
from ehrcommerce.commerce.catalog.models import Confidence, Product, ProductCode, UnmappedCode, UsualRange
from ehrcommerce.commerce.catalog.quantities import how_many
from ehrcommerce.policy.packets import PRESCRIPTION, OrderedItem
from ehrcommerce.vault.keys import blind_index

Rows = Mapping[codes.Key, Sequence[ProductCode]]
WORDS = 200
WORDS_KEPT = timedelta(days=90)


class CatalogProblem(Exception):
    """The catalog was not changed."""


class NoWords(CatalogProblem):
    """The words of this order were erased. Wait until it is ordered again, then map it."""


class WrongKind(CatalogProblem):
    """The product is of another kind than the order that this code came from. Choose a product of the same kind."""


@dataclass(frozen=True, slots=True)
class Match:
    """`refusal` is "" or a code of policy.refusals; then `product` may still name what was found but is not sold."""

    product: Product | None
    refusal: str = ""
    quantity: int = 1

    @property
    def sold(self) -> bool:
        return self.product is not None and not self.refusal


def match(item: OrderedItem, *, organization_id: int, unattended: bool = False) -> Match:
    """The product of one order. For a list use match_all: it asks once."""
    return match_all([item], organization_id=organization_id, unattended=unattended)[item.key]


def match_all(items: Sequence[OrderedItem], *, organization_id: int, unattended: bool = False) -> dict[str, Match]:
    """Item key -> Match, in one query for all items. Codes decide; words only where no code is known here. `unattended`:
    nobody looks before it is sold, so that only what a person said is certain counts."""
    rows = _find(items, organization_id)
    return {item.key: _decide(item, rows, unattended) for item in items}


def _find(items: Sequence[OrderedItem], organization_id: int) -> Rows:
    wanted: set[str] = set()
    for item in items:
        for coding in item.codings:
            wanted |= codes.spellings(coding.system, coding.code)
        for system, code in codes.guessed(item):
            wanted |= codes.spellings(system, code)
        wanted |= {words for _, words in codes.worded(item)}
    found: dict[codes.Key, list[ProductCode]] = {}
    if wanted:
        rows = ProductCode.objects.filter(organization_id=organization_id, code__in=wanted).select_related("product")
        for row in rows:
            found.setdefault(codes.key_of(row.system, row.code), []).append(row)
    return found


def _decide(item: OrderedItem, rows: Rows, unattended: bool) -> Match:
    for keys, sure in ((codes.coded(item), True), (codes.guessed(item), False), (codes.worded(item), True)):
        mine = [[row for row in rows.get(key, ()) if row.product.kind == item.kind] for key in keys]
        controlled = [row.product for each in mine for row in each if row.product.controlled_schedule]
        if controlled:
            return Match(controlled[0], "controlled")  # however sure the mapping is
        said = [products for each in mine if (products := _surest(each, unattended)) and (sure or not unattended)]
        if said:
            return _for_the_amount(item, _choose(said))
    return Match(None, "no_product")


def _surest(rows: Sequence[ProductCode], unattended: bool) -> dict[int, Product]:
    """What one code means by its surest rows; unattended only by those that are certain, and that somebody approved."""
    certain = [row for row in rows if row.confidence == Confidence.CERTAIN and (row.approved_by or not unattended)]
    likely = [row for row in rows if row.confidence == Confidence.LIKELY and not unattended]
    return {row.product.pk: row.product for row in certain or likely}


def _choose(said: Sequence[Mapping[int, Product]]) -> Match:
    """`said` is what each code of the order stands for. Codes without one product in common are an error of the order,
    which its clinician can correct; several products behind the same code are the catalog's to choose from."""
    products = list({pk: product for each in said for pk, product in each.items()}.values())
    if not set.intersection(*(set(each) for each in said)):
        return Match(None, "codes_disagree")
    on_sale = [product for product in products if product.active]
    if not on_sale:
        return Match(products[0], "retired")
    if len(on_sale) > 1:
        return Match(None, "ambiguous")
    return Match(on_sale[0]) if on_sale[0].is_priced else Match(on_sale[0], "no_price")


def _for_the_amount(item: OrderedItem, found: Match) -> Match:
    """A product is sold for the amount that was ordered, or not at all."""
    if found.product is None or found.refusal:
        return found
    quantity = how_many(item, found.product)
    return Match(found.product, "other_quantity") if quantity is None else Match(found.product, quantity=quantity)


def doubts_about(items: Iterable[tuple[OrderedItem, Product | None]]) -> dict[str, tuple[plausible.Doubt, ...]]:
    """Item key -> what its prescriber must look at, in one query for all. Nothing is changed by it."""
    listed = list(items)
    usual: dict[int, list[plausible.Usual]] = {}
    products = {product.pk for item, product in listed if product is not None and item.kind == PRESCRIPTION}
    for row in UsualRange.objects.filter(product_id__in=products) if products else ():
        usual.setdefault(row.product_id, []).append(plausible.Usual(row.measure, row.low, row.high, row.unit))
    return {
        item.key: plausible.doubts(item, usual.get(product.pk, ()) if product is not None else ())
        for item, product in listed
    }


def note_unmapped(
    items: Iterable[OrderedItem], *, organization_id: int, at: datetime, reason: str = "no_product"
) -> int:
    """Put the codes of these items (those that found no product, or several) on the catalog team's list. Call after the
    page. A code, or sealed words where there is none: nothing of an order or a person."""
    seen: Counter[tuple[str, str, str]] = Counter()
    rows: dict[tuple[str, str, str], UnmappedCode] = {}
    for item in items:
        system, code, display = _what_to_note(item)
        if code:
            key = (item.kind, system, code)
            seen[key] += 1
            rows[key] = UnmappedCode(
                organization_id=organization_id, kind=item.kind, system=system, code=code, display=display,
                last_seen_at=at, times_seen=0, reason=reason,
            )  # fmt: skip
    UnmappedCode.objects.bulk_create(rows.values(), ignore_conflicts=True)
    # One statement for all codes that were seen equally often, however many orders a chart holds.
    for times in sorted(set(seen.values())):
        these = [Q(kind=key[0], system=key[1], code=key[2]) for key, count in seen.items() if count == times]
        mine = UnmappedCode.objects.filter(reduce(or_, these), organization_id=organization_id)
        mine.update(times_seen=F("times_seen") + times, last_seen_at=at)
    return seen.total()


def reopen(item: OrderedItem, *, organization_id: int, at: datetime, reason: str) -> None:
    """Nobody could sell this by itself: its code waits for a decision (again), with why. "Never sold" is one."""
    note_unmapped([item], organization_id=organization_id, at=at, reason=reason)
    system, code, display = _what_to_note(item)
    row = UnmappedCode.objects.filter(
        organization_id=organization_id, kind=item.kind, system=system, code=code, never_sell=False
    ).first()
    if row is not None and (row.product_id is not None or row.reason != reason):
        row.product, row.reason, row.display = None, reason, display
        row.save(update_fields=["product", "reason", "display"])


def alone(organization_id: int) -> None:
    """One file at a time for one clinic, until the transaction ends."""
    Product.objects.select_for_update().filter(organization_id=organization_id).order_by("pk").first()


def revision(organization_id: int) -> str:
    """A digest of all that decides which product answers to an order: another one, and what waited is tried again."""
    hashed = hashlib.sha256()
    for rows in (
        ProductCode.objects.filter(organization_id=organization_id).order_by("pk").values_list(
            "pk", "product_id", "system", "code", "confidence", "approved_by"
        ),
        Product.objects.filter(organization_id=organization_id).order_by("pk").values_list(
            "pk", "active", "kind", "price_cents", "controlled_schedule", "quantity_basis"
        ),
        UsualRange.objects.filter(organization_id=organization_id).order_by("pk").values_list(
            "pk", "product_id", "measure", "low", "high", "unit"
        ),
    ):  # fmt: skip
        for row in rows.iterator(chunk_size=2000):
            hashed.update(repr(row).encode())
    return hashed.hexdigest()


def _what_to_note(item: OrderedItem) -> tuple[str, str, str]:
    """The order's first code, with its words where the code system is a public one; an order without a code by a digest
    of its words, and the words."""
    for coding in item.codings:
        if coding.system and coding.code:
            system, code = codes.key_of(coding.system, coding.code)
            return system[:160], code[:160], coding.display[:WORDS] if system in codes.PUBLIC else ""
    for system, words in codes.worded(item):
        return system, blind_index("catalog.words", words).hex(), words
    return "", "", ""


def erase_words(organization_id: int, at: datetime) -> int:
    """The eraser: the chart's words go once a product or "never sold" was chosen; what nobody decided on and nobody
    ordered again goes as a whole."""
    waiting = UnmappedCode.objects.filter(organization_id=organization_id, product=None, never_sell=False)
    gone, _ = waiting.filter(last_seen_at__lte=at - WORDS_KEPT).delete()
    size = Func(F("display"), function="octet_length", output_field=IntegerField())
    settled = UnmappedCode.objects.filter(organization_id=organization_id).exclude(pk__in=waiting.values("pk"))
    held = list(settled.annotate(size=size).filter(size__gt=0).order_by("pk")[:200])
    for row in held:
        row.display = ""
        row.save(update_fields=["display"])
    return gone + len(held)


@transaction.atomic
def map_code(*, unmapped: UnmappedCode, product: Product, by: Actor, at: datetime) -> ProductCode:
    """An administrator says that this code means this product. Twice is once. Raises WrongKind, NoWords."""
    if product.kind != unmapped.kind or product.organization_id != unmapped.organization_id:
        raise WrongKind
    code = _meant(unmapped)
    if unmapped.reason == "ambiguous":
        # One of several was chosen: the others stay as what a person may still look at.
        others = ProductCode.objects.filter(
            organization_id=unmapped.organization_id, code__in=codes.spellings(unmapped.system, code),
            confidence=Confidence.CERTAIN, product__kind=unmapped.kind,
        ).exclude(product=product)  # fmt: skip
        same = [one.pk for one in others if codes.key_of(one.system, one.code) == (unmapped.system, code)]
        ProductCode.objects.filter(pk__in=same).update(confidence=Confidence.LIKELY)
    row, _ = ProductCode.objects.update_or_create(
        organization_id=unmapped.organization_id, product=product, system=unmapped.system, code=code,
        defaults={"confidence": Confidence.CERTAIN, "approved_by": str(by)[:80], "approved_at": at},
        create_defaults={
            "display": unmapped.display[:WORDS], "confidence": Confidence.CERTAIN, "approved_by": str(by)[:80],
            "approved_at": at,
        },
    )  # fmt: skip
    unmapped.product = product
    unmapped.never_sell = False
    unmapped.save(update_fields=["product", "never_sell"])
    audit.record(
        organization_id=unmapped.organization_id,
        by=by,
        action="catalog.mapped",
        entity=f"product:{product.public_id}",
        at=at,
    )
    return row


def _meant(unmapped: UnmappedCode) -> str:
    """What the catalog looks for: the code, or the words, which are the catalog's own from here on."""
    if unmapped.system != codes.DISPLAY_SYSTEM:
        return unmapped.code
    if not unmapped.display:
        raise NoWords
    return codes.words_of(unmapped.display)


@transaction.atomic
def load_products(organization: Organization, rows: Iterable[Mapping[str, Any]], *, by: Actor, at: datetime) -> int:
    """Make or update products by SKU. A row has sku, kind, name_en, name_es, price_cents, codes (system, code,
    display), service_type, quantity_basis; optional days_supply, otc, controlled_schedule, sellable, and usual
    (measure, low, high, unit). Returns how many."""
    count = 0
    for row in rows:
        product, _ = Product.objects.update_or_create(
            organization=organization, sku=row["sku"],
            defaults={
                "kind": row["kind"], "name_en": row["name_en"], "name_es": row["name_es"],
                "price_cents": row["price_cents"], "service_type": row.get("service_type", ""),
                "quantity_basis": row.get("quantity_basis", ""), "days_supply": row.get("days_supply"),
                "over_the_counter": row.get("otc", False), "controlled_schedule": row.get("controlled_schedule", ""),
                "active": row.get("sellable", True), "weight_grams": row.get("shipping_weight_g", 0),
            },
        )  # fmt: skip
        for system, code, display in row.get("codes", ()):
            _load_code(product, system, code, display, by, at)
        for measure, low, high, unit in row.get("usual", ()):
            UsualRange.objects.update_or_create(
                organization=organization, product=product, measure=measure, unit=unit, low=low, defaults={"high": high}
            )
        count += 1
    audit.record(
        organization_id=organization.pk,
        by=by,
        action="catalog.loaded",
        entity=f"organization:{organization.public_id}",
        at=at,
    )
    return count


def _load_code(product: Product, system: str, code: str, display: str, by: Actor, at: datetime) -> None:
    stored = codes.words_of(code) if codes.system_of(system) == codes.DISPLAY_SYSTEM else code.strip()
    ProductCode.objects.update_or_create(
        organization_id=product.organization_id, product=product, system=system, code=stored,
        defaults={"display": display[:200]},
        create_defaults={"display": display[:200], "approved_by": str(by)[:80], "approved_at": at},
    )  # fmt: skip
