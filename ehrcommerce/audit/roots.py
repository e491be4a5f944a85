"""The root of a day: one hash that stands for everything that was audited before. It is logged when it is made, printed by
`manage.py audit roots`, and can be laid before a time-stamping authority (RFC 3161).

What is ours: the line of text of each root, and the request for a time stamp over that line. What is not: this code
sends nothing to an authority and does not check its answer. `curl` and `openssl ts` do (docs/audit.md)."""

import hashlib
import logging
import secrets
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from django.db import transaction

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent, AuditGap, AuditRoot

log = logging.getLogger(__name__)
EVERY_S = 600.0
# AlgorithmIdentifier of SHA-256, DER: SEQUENCE { OID 2.16.840.1.101.3.4.2.1, NULL }.
_SHA256 = bytes.fromhex("300d06096086480165030402010500")


def root_of(previous: bytes, organization_id: int, day: str, number: int, seal: bytes) -> bytes:
    """Unkeyed, so that anybody who holds two roots can check that one follows from the other."""
    said = f"{organization_id}:{day}:{number}:".encode()
    return hashlib.sha256(previous + said + seal).digest()


def chore(organization_id: int, at: datetime) -> int:
    """Once the day is over and its rows are sealed: where the chain stands. Call inside the walls."""
    day = (at - timedelta(days=1)).astimezone(UTC).date()
    if AuditRoot.objects.filter(organization_id=organization_id, day__gte=day).exists():
        return 0
    midnight = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    if AuditEvent.objects.filter(organization_id=organization_id, seal_number=None, at__lt=midnight).exists():
        return 0
    with transaction.atomic():
        number, seal = audit.head(organization_id)
        if not number:
            return 0
        last = AuditRoot.objects.filter(organization_id=organization_id).order_by("-day").first()
        root = root_of(bytes(last.root) if last else audit.GENESIS, organization_id, str(day), number, seal)
        made, new = AuditRoot.objects.get_or_create(
            organization_id=organization_id, day=day,
            defaults={"number": number, "seal": seal, "root": root, "made_at": at},
        )  # fmt: skip
    if new:
        log.info("audit root: %s", line_of(made))
    return int(new)


def line_of(root: AuditRoot) -> str:
    """What is printed, signed by a notary, or stamped: organization, day, number, seal, root."""
    return (
        f"organization {root.organization_id} day {root.day} number {root.number}"
        f" seal {bytes(root.seal).hex()} root {bytes(root.root).hex()}"
    )


def breaks(organization_id: int) -> tuple[str, ...]:
    """Roots that do not follow from one another, or from the chain as it stands today."""
    previous, found = audit.GENESIS, list[str]()
    rows = list(AuditRoot.objects.filter(organization_id=organization_id).order_by("day"))
    events = AuditEvent.objects.filter(organization_id=organization_id, seal_number__in=[row.number for row in rows])
    seals = {number: bytes(seal or b"") for number, seal in events.values_list("seal_number", "seal")}
    gaps = AuditGap.objects.filter(organization_id=organization_id)
    seals |= {number: bytes(seal) for number, seal in gaps.values_list("last", "seal")}
    gone = list(gaps.values_list("first", "last"))
    for row in rows:
        seal = bytes(row.seal)
        if bytes(row.root) != root_of(previous, organization_id, str(row.day), row.number, seal):
            found.append(f"the root of {row.day} does not follow from the one before")
        inside_a_gap = row.number not in seals and any(first <= row.number <= last for first, last in gone)
        if seals.get(row.number) != seal and not inside_a_gap:
            found.append(f"number {row.number}, which the root of {row.day} names, is missing or was sealed anew")
        previous = bytes(row.root)
    return tuple(found)


def write_requests(rows: list[AuditRoot], folder: Path) -> list[Path]:
    """For each root its line (`.txt`) and a request for a time stamp over exactly these bytes (`.tsq`)."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for row in rows:
        name = folder / f"audit-{row.organization_id}-{row.day}.txt"
        text = (line_of(row) + "\n").encode()
        name.write_bytes(text)
        name.with_suffix(".tsq").write_bytes(timestamp_request(text, nonce=secrets.token_bytes(8)))
        made.append(name)
    return made


def timestamp_request(data: bytes, *, nonce: bytes) -> bytes:
    """RFC 3161 TimeStampReq over SHA-256 of `data`, asking for the authority's certificate."""
    imprint = _der(0x30, _SHA256 + _der(0x04, hashlib.sha256(data).digest()))
    number = int.from_bytes(nonce, "big") or 1
    whole = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return _der(0x30, _der(0x02, b"\x01") + imprint + _der(0x02, whole) + _der(0x01, b"\xff"))


def _der(tag: int, content: bytes) -> bytes:
    """One element; everything here is shorter than 128 bytes."""
    return bytes([tag, len(content)]) + content
