"""Somebody looks at the chain: once a day every row of it, in slices, and every few minutes that the end is still there
which was seen before. A chain alone does not show that its newest rows were cut off; a remembered end does."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from ehrcommerce.audit import months, roots
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditCheck, AuditEvent, AuditGap

log = logging.getLogger(__name__)
EVERY_S = 300.0
SLICE = 10_000
ROUND = timedelta(days=1)
NAMED = 20  # so many breaks are named in a log; the rest is counted


@dataclass(frozen=True, slots=True)
class Found:
    """`rows` were looked at, `breaks` were found: places only, never what stands there."""

    rows: int
    breaks: tuple[str, ...]


def everything(organization_id: int) -> Found:
    """The whole chain and its remembered end, now; call inside the organization's walls."""
    check = AuditCheck.objects.filter(organization_id=organization_id).first()
    walk = audit.walk(organization_id=organization_id)
    ends = (*_end_lost(check), *roots.breaks(organization_id), *months.breaks(organization_id))
    return Found(walk.rows, (*walk.breaks, *ends))


def chore(organization_id: int, at: datetime) -> int:
    """One step of the clock: the end, then the next slice of the round. Returns how many breaks were found."""
    with transaction.atomic():
        AuditCheck.objects.get_or_create(organization_id=organization_id, defaults={"round_began_at": at})
        rows = AuditCheck.objects.select_for_update(skip_locked=True).filter(organization_id=organization_id)
        check = rows.first()
        return _step(check, at) if check else 0


def _step(check: AuditCheck, at: datetime) -> int:
    lost = (*_end_lost(check), *months.breaks(check.organization_id))
    if lost:
        if check.alarmed_at is None or at - check.alarmed_at >= ROUND:
            _alarm(check, Found(0, lost), at)
            check.alarmed_at = at
    else:
        check.known_number, check.known_seal = audit.head(check.organization_id)
    if not check.round_over or at - check.round_began_at >= ROUND:
        lost += _slice(check, at)
    check.save()
    return len(lost)


def _slice(check: AuditCheck, at: datetime) -> tuple[str, ...]:
    """Go on where the last slice ended; a round that is over begins again. Its end is written into the audit."""
    if check.round_over:
        check.round_began_at, check.round_over, check.round_breaks = at, False, 0
        check.walked_number, check.walked_seal = 0, audit.GENESIS
    walk = audit.walk(
        organization_id=check.organization_id, number=check.walked_number, previous=bytes(check.walked_seal),
        limit=SLICE,
    )  # fmt: skip
    check.walked_number, check.walked_seal = walk.number, walk.seal
    check.round_breaks += len(walk.breaks)
    if walk.breaks:
        _alarm(check, Found(walk.rows, walk.breaks), at)
    if walk.rows < SLICE:
        check.round_over = True
        _record(check, at, f"rows:{check.walked_number}", "failure" if check.round_breaks else "success")
    return walk.breaks


def _end_lost(check: AuditCheck | None) -> tuple[str, ...]:
    """Whether the last end that was seen still stands in the chain, as it stood."""
    if check is None or not check.known_number:
        return ()
    rows = AuditEvent.objects.filter(organization_id=check.organization_id, seal_number=check.known_number)
    there = rows.values_list("seal", flat=True).first()
    if there is None:
        # Its month may be gone since; what stands in the gaps has a proof of its own (months.breaks).
        gaps = AuditGap.objects.filter(organization_id=check.organization_id, first__lte=check.known_number)
        gap = gaps.filter(last__gte=check.known_number).first()
        if gap is not None and gap.last > check.known_number:
            return ()
        there = gap.seal if gap is not None else None
    if there is not None and bytes(there) == bytes(check.known_seal):
        return ()
    return (f"number {check.known_number}, once the end of the chain, is missing or was sealed anew",)


def _alarm(check: AuditCheck, found: Found, at: datetime) -> None:
    log.error(
        "the audit of organization %d is broken in %d places: %s", check.organization_id, len(found.breaks),
        "; ".join(found.breaks[:NAMED]),
    )  # fmt: skip
    _record(check, at, f"breaks:{len(found.breaks)}", "security")


def _record(check: AuditCheck, at: datetime, reason: str, outcome: str) -> None:
    audit.record(
        organization_id=check.organization_id, by=audit.system("audit"), action="audit.verified",
        entity=f"organization:{check.organization_id}", at=at, reason=reason, outcome=outcome,
    )  # fmt: skip


def accept(organization_id: int, at: datetime) -> None:
    """Take the end of today for the end, after a person looked into the break; that they did stays in the audit."""
    with transaction.atomic():
        check, _ = AuditCheck.objects.get_or_create(organization_id=organization_id, defaults={"round_began_at": at})
        check.known_number, check.known_seal = audit.head(organization_id)
        check.alarmed_at = None
        check.save()
        _record(check, at, f"accepted:{check.known_number}", "security")
