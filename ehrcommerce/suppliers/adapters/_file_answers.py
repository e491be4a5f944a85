"""Answers of a partner without an API: which files are whole, and what each line says. A file is read once by its digest,
a line once by its own; what is wrong is named with its line and stands in the back office, and the rest is taken."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ehrcommerce.suppliers.adapters import _csv
from ehrcommerce.suppliers.models import FileAck, FileIn, FileOut, Supplier
from ehrcommerce.wire.errors import NotSent
from ehrcommerce.wire.files import TEMPORARY, Folder

if TYPE_CHECKING:
    from ehrcommerce.suppliers.adapters._file_partner import FileSupplier

HEADER = ("reference", "sku", "status", "reason", "carrier", "tracking_number")
REASONS = frozenset({"out_of_stock", "prescription_problem", "address"})
HALF_AFTER_S = 3600.0
_SUM = re.compile(rb"([0-9a-f]{64})\b")


def take(adapter: "FileSupplier") -> int:
    """Read what is new; the number of lines that were news."""
    taken = 0
    with adapter.folder("in") as folder:
        listed = {one.name: one.written for one in folder.listed()}
        for name in sorted(listed):
            if name.endswith(".csv") and name + TEMPORARY not in listed:
                taken += _file(adapter.supplier, folder, name, listed[name], frozenset(listed))
    return taken


def _file(supplier: Supplier, folder: Folder, name: str, written: float, names: frozenset[str]) -> int:
    at = timezone.now()
    said = _said_sum(folder, name, names)
    if said and FileIn.objects.filter(supplier=supplier, file_digest=said).exists():
        return 0
    try:
        content = folder.read(name)
    except NotSent:
        return 0  # too large, or gone: the next look says
    if content is None:
        return 0
    digest = sha256(content).digest()
    if said != digest:
        # Half written, or its checksum is still to come: left alone, and named once it has been so for an hour.
        if at.timestamp() - written > HALF_AFTER_S:
            unfinished = sha256(b"unfinished" + digest).digest()  # once it is whole, it is read
            _note(supplier, name, unfinished, at, problem="half_written" if said else "no_checksum")
        return 0
    return _whole(supplier, name, content, digest, at)


def _said_sum(folder: Folder, name: str, names: frozenset[str]) -> bytes:
    if f"{name}.sha256" not in names:
        return b""
    found = _SUM.match(folder.read(f"{name}.sha256") or b"")
    return bytes.fromhex(found.group(1).decode()) if found else b""


@dataclass
class _Reading:
    """One file on its way into rows."""

    supplier: Supplier
    at: datetime
    taken: int = 0
    problems: list[str] = field(default_factory=list)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    touched: dict[str, list[str]] = field(default_factory=dict)


def _whole(supplier: Supplier, name: str, content: bytes, digest: bytes, at: datetime) -> int:
    try:
        rows = _csv.read(content, HEADER)
    except _csv.BadTable as bad:
        _note(supplier, name, digest, at, problem=bad.code)
        return 0
    with transaction.atomic():
        if not _note(supplier, name, digest, at):
            return 0
        reading = _Reading(supplier, at)
        for number, cells in rows:
            _line(reading, number, cells)
        _missing(reading)
        FileIn.objects.filter(supplier=supplier, file_digest=digest).update(
            taken=reading.taken, problem="; ".join(reading.problems)[:200]
        )
    return reading.taken


def _line(reading: _Reading, number: int, cells: Sequence[str]) -> None:
    problem = _problem(reading, cells)
    if problem and problem != "unknown_status":
        reading.problems.append(f"line {number}: {problem}")
        return
    if problem:
        reading.problems.append(f"line {number}: {problem}")
    reference, sku, status, reason, carrier, tracking = cells
    ack = FileAck(
        organization_id=reading.supplier.organization_id, supplier=reading.supplier, reference=reference, sku=sku,
        status="unknown" if problem else status, reason=reason if reason in REASONS else "other" if reason else "",
        carrier=carrier[:60], tracking_number=tracking[:64], at=reading.at,
        row_digest=sha256("\x1f".join(cells).encode()).digest(),
    )  # fmt: skip
    if not FileAck.objects.filter(supplier=reading.supplier, row_digest=ack.row_digest).exists():
        ack.save()
        reading.taken += 1


def _problem(reading: _Reading, cells: Sequence[str]) -> str:
    """Why a line is not taken, "" where it is; unknown_status where it is, as a word that nobody knows."""
    from ehrcommerce.suppliers.adapters._file_partner import ORDER, WORDS

    if len(cells) != len(HEADER) or any(len(cell) > _csv.MOST_CELL for cell in cells):
        return "wrong_columns"
    if any(_csv.is_formula(cell) for cell in cells) or not all(cell.isprintable() for cell in cells):
        return "formula"
    if tuple(cells) in reading.seen:
        return "duplicate"
    reading.seen.add(tuple(cells))
    order = _order(reading.supplier, cells[0], ORDER)
    if order is None:
        return "unknown_reference"
    if cells[1] not in order.skus:
        return "unknown_sku"
    reading.touched[cells[0]] = order.skus
    return "" if cells[2] in WORDS else "unknown_status"


def _order(supplier: Supplier, reference: str, kind: str) -> FileOut | None:
    """Ours, and of this partner: another supplier's order is nobody's here."""
    try:
        return FileOut.objects.filter(supplier=supplier, reference=UUID(reference), kind=kind).first()
    except ValueError:
        return None


def _missing(reading: _Reading) -> None:
    """Orders of which some lines are decided and others have no answer: they wait, and it is said."""
    for reference, skus in reading.touched.items():
        answered = set(
            FileAck.objects.filter(supplier=reading.supplier, reference=reference)
            .exclude(status="received")
            .values_list("sku", flat=True)
        )
        if answered and (left := set(skus) - answered):
            reading.problems.append(f"{reference}: {len(left)} lines without an answer")


def _note(supplier: Supplier, name: str, digest: bytes, at: datetime, *, problem: str = "") -> bool:
    """True once for each digest."""
    _, made = FileIn.objects.get_or_create(
        supplier=supplier, file_digest=digest,
        defaults={"organization_id": supplier.organization_id, "name": name[:120], "problem": problem, "at": at},
    )  # fmt: skip
    return made
