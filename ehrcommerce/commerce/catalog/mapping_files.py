"""Which code means which product, as a file: CSV out and in, and ConceptMap (FHIR R4) in. A file changes nothing by being
read: it becomes a list of differences that a person looks at, and exactly those are applied, if the catalog is still what
it was. Pure but for `standing` and `apply`."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import codes, services
from ehrcommerce.commerce.catalog.models import Confidence, Product, ProductCode

COLUMNS = ("sku", "system", "code", "display", "confidence")
NONE = "none"
MOST_BYTES, MOST_ROWS, LONGEST = 1_048_576, 5000, 160
# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# ConceptMap.group.element.target.equivalence of R4: from the EHR's code to our product.
EQUIVALENCE = {
    "equal": Confidence.CERTAIN, "equivalent": Confidence.CERTAIN, "wider": Confidence.LIKELY,
    "subsumes": Confidence.LIKELY, "narrower": Confidence.WEAK, "specializes": Confidence.WEAK,
    "relatedto": Confidence.WEAK, "inexact": Confidence.WEAK, "disjoint": NONE,
}  # fmt: skip
LEFT_OUT = ("unmatched",)


class BadFile(Exception):
    """The file was not read. `problems` says why, each with its row; nothing was changed."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class CatalogMoved(Exception):
    """The catalog changed since the differences were shown. Look at them again: they are shown anew."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, in the catalog's one spelling. `confidence` is one of Confidence, or "none": not any more."""

    sku: str
    system: str
    code: str
    display: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: added, changed or removed. `was` is the confidence before."""

    what: str
    line: Line
    was: str = ""


# ----------------------------------------------------------------------------------------------------------------- out
def export(organization_id: int) -> str:
    """All codes as CSV. No cell is a formula: such a one gets an apostrophe in front, which an import takes off again."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    rows = ProductCode.objects.filter(organization_id=organization_id).select_related("product")
    for row in rows.order_by("product__sku", "system", "code"):
        cells = (row.product.sku, row.system, row.code, row.display, row.confidence)
        table.writerow(map(safe, cells))
    return out.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


# ------------------------------------------------------------------------------------------------------------------ in
def read(body: bytes) -> list[Line]:
    """The lines of a CSV file or a ConceptMap. Raises BadFile."""
    if len(body) > MOST_BYTES:
        raise BadFile([f"The file has more than {MOST_BYTES} bytes. Split it."])
    lines = _of_map(body) if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else _of_csv(body)
    if len(lines) > MOST_ROWS:
        raise BadFile([f"The file has more than {MOST_ROWS} rows. Split it."])
    return lines


def _of_csv(body: bytes) -> list[Line]:
    problems: list[str] = []
    lines = [
        _line(f"Row {number}", sku, system, code, display, confidence.lower(), problems)
        for number, (sku, system, code, display, confidence) in table_of(body, COLUMNS, problems)
    ]
    return _sound(lines, problems)


def table_of(body: bytes, columns: Sequence[str], problems: list[str]) -> list[tuple[int, list[str]]]:
    """The rows below the names of the columns, with their numbers. Rows of another width are told in `problems`; what is
    no such table at all raises BadFile."""
    if len(body) > MOST_BYTES:
        raise BadFile([f"The file has more than {MOST_BYTES} bytes. Split it."])
    crooked = [
        f"Row {number}: characters that are not UTF-8. Save the file as CSV UTF-8."
        for number, raw in enumerate(body.split(b"\n"), 1) if _is_other_encoding(raw)
    ]  # fmt: skip
    if crooked:
        raise BadFile(crooked[:20])
    try:
        table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except csv.Error as problem:
        raise BadFile([f"No CSV: {problem}."]) from problem
    if not table or tuple(cell.strip().lower() for cell in table[0]) != tuple(columns):
        raise BadFile([f"Row 1: the columns are {', '.join(columns)}, in this order, separated by commas."])
    found = []
    for number, cells in enumerate(table[1:], 2):
        if len(cells) == len(columns) and any(cell.strip() for cell in cells):
            found.append((number, [_bare(cell) for cell in cells]))
        elif any(cell.strip() for cell in cells):
            problems.append(f"Row {number}: {len(cells)} cells where {len(columns)} belong.")
    return found


def _is_other_encoding(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return b"\x00" in raw


def _bare(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _of_map(body: bytes) -> list[Line]:
    try:
        found = json.loads(body.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as problem:
        raise BadFile(["This begins like JSON and is none."]) from problem
    if not isinstance(found, dict) or found.get("resourceType") != "ConceptMap":
        raise BadFile(["This JSON is no ConceptMap (FHIR R4)."])
    problems: list[str] = []
    lines: list[Line | None] = []
    for group in _objects(found.get("group")):
        for element in _objects(group.get("element")):
            for target in _objects(element.get("target")):
                meant = str(target.get("equivalence", ""))
                where = f"element {element.get('code', '?')}"[:60]
                if meant in LEFT_OUT:
                    continue
                if meant not in EQUIVALENCE:
                    problems.append(f"{where}: equivalence {meant[:20] or 'missing'} is not one of R4's.")
                    continue
                lines.append(_line(
                    where, str(target.get("code", "")), str(group.get("source", "")), str(element.get("code", "")),
                    str(element.get("display", "")), str(EQUIVALENCE[meant]), problems,
                ))  # fmt: skip
    return _sound(lines, problems)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _line(
    where: str, sku: str, system: str, code: str, display: str, confidence: str, problems: list[str]
) -> Line | None:
    """One line in one spelling; None where something is wrong with it, which is then told."""
    said = [
        "a SKU is missing" if not sku else "", "a code system is missing" if not system.strip() else "",
        "a code is missing" if not code.strip() else "",
        f"a value is longer than {LONGEST}" if max(len(system), len(code)) > LONGEST else "",
        f"confidence is {', '.join(Confidence.values)} or {NONE}" if confidence not in (*Confidence.values, NONE) else "",
        "a character that cannot be printed" if not all(one.isprintable() for one in sku + system + code + display) else "",
    ]  # fmt: skip
    said = [one for one in said if one]
    if said:
        problems.append(f"{where}: {', '.join(said)}.")
        return None
    name, one = codes.key_of(system, code)
    return Line(sku, name, one, display[:200], confidence)


def _sound(lines: Iterable[Line | None], problems: list[str]) -> list[Line]:
    """All lines or none. The same code of the same product twice is a question, not an answer."""
    kept: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        if line is None:
            continue
        key = (line.sku, line.system, line.code)
        if key in kept and kept[key] != line:
            problems.append(f"{line.code} of {line.sku} stands twice, and not the same.")
        kept[key] = line
    if problems:
        raise BadFile(problems[:20])
    if not kept:
        raise BadFile(["There is no row in it."])
    return list(kept.values())


# ------------------------------------------------------------------------------------------------------- differences
def differences(lines: Sequence[Line], *, organization_id: int) -> list[Difference]:
    """What these lines would change; what they do not name stays as it is. Raises BadFile for a SKU that is not there."""
    known = set(Product.objects.filter(organization_id=organization_id).values_list("sku", flat=True))
    missing = sorted({line.sku for line in lines} - known)
    if missing:
        raise BadFile([f"There is no product with the SKU {sku[:40]}." for sku in missing[:20]])
    there = standing(organization_id)
    found = []
    for line in lines:
        rows = there.get((line.sku, line.system, line.code), [])
        if line.confidence == NONE:
            found += [Difference("removed", line, rows[0].confidence)] if rows else []
        elif not rows:
            found.append(Difference("added", line))
        elif any(row.confidence != line.confidence or (line.display and row.display != line.display) for row in rows):
            found.append(Difference("changed", line, rows[0].confidence))
    return found


def standing(organization_id: int) -> dict[tuple[str, str, str], list[ProductCode]]:
    """Every row by SKU and code in one spelling."""
    found: dict[tuple[str, str, str], list[ProductCode]] = {}
    for row in ProductCode.objects.filter(organization_id=organization_id).select_related("product"):
        found.setdefault((row.product.sku, *codes.key_of(row.system, row.code)), []).append(row)
    return found


@transaction.atomic
def apply(lines: Sequence[Line], *, organization_id: int, revision: str, by: Actor, at: datetime) -> int:
    """Do what was shown, in the name of whoever looked at it. Raises CatalogMoved, BadFile."""
    services.alone(organization_id)
    if services.revision(organization_id) != revision:
        raise CatalogMoved
    changes = differences(lines, organization_id=organization_id)
    there = standing(organization_id)
    products = {one.sku: one for one in Product.objects.filter(organization_id=organization_id)}
    for change in changes:
        line = change.line
        rows = there.get((line.sku, line.system, line.code), [])
        if change.what == "removed":
            ProductCode.objects.filter(pk__in=[row.pk for row in rows]).delete()
            continue
        fresh = {"confidence": line.confidence, "approved_by": str(by)[:80], "approved_at": at}
        if line.display:
            fresh["display"] = line.display
        if rows:
            ProductCode.objects.filter(pk__in=[row.pk for row in rows]).update(**fresh)
        else:
            ProductCode.objects.create(
                organization_id=organization_id, product=products[line.sku], system=line.system, code=line.code, **fresh
            )
    audit.record(
        organization_id=organization_id, by=by, action="catalog.codes_imported", entity="catalog:codes", at=at,
        elements=["codes"],
    )  # fmt: skip
    return len(changes)


def packed(lines: Sequence[Line]) -> list[dict[str, str]]:
    """For the form that comes back with the yes."""
    return [asdict(line) for line in lines]


def unpacked(rows: Iterable[Mapping[str, str]]) -> list[Line]:
    return [Line(**row) for row in rows]
