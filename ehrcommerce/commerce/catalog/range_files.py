"""What is usual for each product, as a CSV file, out and in: as mapping_files.py, for the ranges of plausible.py. A row sets
the one range of its SKU, measure and unit; without low and high it takes it away."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import plausible, services
from ehrcommerce.commerce.catalog.mapping_files import BadFile, CatalogMoved, safe, table_of
from ehrcommerce.commerce.catalog.models import Product, UsualRange

COLUMNS = ("sku", "measure", "low", "high", "unit")
MOST = Decimal(99_999_999)


@dataclass(frozen=True, slots=True)
class Line:
    """One row; numbers as they were written. `span` is what the page shows."""

    sku: str
    measure: str
    low: str
    high: str
    unit: str

    @property
    def span(self) -> str:
        return f"{self.low} to {self.high} {self.unit}".strip() if self.low else "none"


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: added, changed or removed; `was`: the range before."""

    what: str
    line: Line
    was: str = ""


def export(organization_id: int) -> str:
    """All ranges as CSV; no cell is a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    rows = UsualRange.objects.filter(organization_id=organization_id).select_related("product")
    for row in rows.order_by("product__sku", "measure", "unit", "low"):
        table.writerow(map(safe, (row.product.sku, row.measure, _plain(row.low), _plain(row.high), row.unit)))
    return out.getvalue()


def read(body: bytes) -> list[Line]:
    """The rows of a CSV file. Raises BadFile."""
    problems: list[str] = []
    kept: dict[tuple[str, str, str], Line] = {}
    for number, (sku, measure, low, high, unit) in table_of(body, COLUMNS, problems):
        line = Line(sku, measure.lower(), low, high, unit)
        if wrong := _wrong(line):
            problems.append(f"Row {number}: {wrong}.")
        elif kept.setdefault((sku, line.measure, unit), line) != line:
            problems.append(f"Row {number}: the same measure and unit of {sku[:40]} stands twice, and not the same.")
    if problems or not kept:
        raise BadFile(problems[:20] or ["There is no row in it."])
    return list(kept.values())


def _wrong(line: Line) -> str:
    if not line.sku or line.measure not in plausible.NAMES:
        return f"a SKU is missing, or measure is not one of {', '.join(plausible.NAMES)}"
    if line.measure != plausible.DAYS and not plausible.unit_of(line.unit):
        return "the unit is not known: mcg, mg, g, mL, tablet, capsule and the like"
    if bool(line.low) != bool(line.high):
        return "low and high are both there, or both empty"
    low, high = _number(line.low or "0"), _number(line.high or "0")
    if low is None or high is None or not 0 <= low <= high <= MOST:
        return "low and high are numbers with a point, and low is not above high"
    return ""


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    return number if number.is_finite() and isinstance(exponent, int) and exponent >= -4 else None


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def differences(lines: Sequence[Line], *, organization_id: int) -> list[Difference]:
    """What these rows would change. Raises BadFile for a SKU that is not there."""
    known = set(Product.objects.filter(organization_id=organization_id).values_list("sku", flat=True))
    if missing := sorted({line.sku for line in lines} - known):
        raise BadFile([f"There is no product with the SKU {sku[:40]}." for sku in missing[:20]])
    there = _standing(organization_id)
    found = []
    for line in lines:
        rows = there.get((line.sku, line.measure, line.unit), [])
        was = "; ".join(f"{_plain(row.low)} to {_plain(row.high)} {row.unit}".strip() for row in rows)
        if not line.low:
            found += [Difference("removed", line, was)] if rows else []
        elif not rows:
            found.append(Difference("added", line))
        elif len(rows) > 1 or (rows[0].low, rows[0].high) != (Decimal(line.low), Decimal(line.high)):
            found.append(Difference("changed", line, was))
    return found


def _standing(organization_id: int) -> dict[tuple[str, str, str], list[UsualRange]]:
    found: dict[tuple[str, str, str], list[UsualRange]] = {}
    for row in UsualRange.objects.filter(organization_id=organization_id).select_related("product").order_by("pk"):
        found.setdefault((row.product.sku, row.measure, row.unit), []).append(row)
    return found


@transaction.atomic
def apply(lines: Sequence[Line], *, organization_id: int, revision: str, by: Actor, at: datetime) -> int:
    """Do what was shown. Raises CatalogMoved, BadFile."""
    services.alone(organization_id)
    if services.revision(organization_id) != revision:
        raise CatalogMoved
    changes = differences(lines, organization_id=organization_id)
    there = _standing(organization_id)
    products = {one.sku: one for one in Product.objects.filter(organization_id=organization_id)}
    for change in changes:
        line = change.line
        pks = [row.pk for row in there.get((line.sku, line.measure, line.unit), [])]
        UsualRange.objects.filter(pk__in=pks).delete()
        if line.low:
            UsualRange.objects.create(
                organization_id=organization_id, product=products[line.sku], measure=line.measure, low=Decimal(line.low),
                high=Decimal(line.high), unit=line.unit,
            )  # fmt: skip
    audit.record(
        organization_id=organization_id, by=by, action="catalog.ranges_imported", entity="catalog:ranges", at=at,
        elements=["ranges"],
    )  # fmt: skip
    return len(changes)


def packed(lines: Sequence[Line]) -> list[dict[str, str]]:
    return [asdict(line) for line in lines]


def unpacked(rows: Iterable[Mapping[str, str]]) -> list[Line]:
    return [Line(**row) for row in rows]
