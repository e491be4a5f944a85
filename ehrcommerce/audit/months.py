"""The audit by month: parts are made ahead, and one whose six years are over is dropped whole.

What a dropped part leaves of each chain is the last seal of every stretch of numbers that went (AuditGap), so that the
rows after it are verified as before. That it went in its time, and not before, is an event of the chain that follows; its
reason is a digest over all gaps. Rows that somebody removed with the owner's password and called a gap have none."""

import hashlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Max

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent, AuditGap, AuditRoot
from ehrcommerce.policy import keeping
from ehrcommerce.vault import walls

log = logging.getLogger(__name__)
EVERY_S = 3600.0
AHEAD = 3
ACTION = "audit.month_dropped"
# Called inside the walls with (organization_id, at): the audit's names of persons of whom nothing may go (legal holds).
KEEPERS: list[Callable[[int, datetime], Iterable[bytes]]] = []


def month_of(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


def after(month: date) -> date:
    """The first day of the month that follows."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def make(organization_id: int, at: datetime) -> int:
    """The clock's chore: this month and those ahead. A row for which no month was made is kept among the others, and
    goes into its month once that is made; nothing is lost while no sweeper runs."""
    month, made = month_of(at), 0
    for _ in range(AHEAD + 1):
        with connection.cursor() as cursor:
            cursor.execute("SELECT ehrc_audit_month(%s)", [month])
            made += cursor.fetchone()[0]
        month = after(month)
    return made


def parts() -> list[tuple[str, date]]:
    """Each part by name, with the first day after it; oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = 'audit_auditevent'::regclass AND relname ~ '_[0-9]{4}_[0-9]{2}$'"
        )
        names = [row[0] for row in cursor.fetchall()]
    months = {name: date(int(name[-7:-3]), int(name[-2:]), 1) for name in names}
    return sorted(((name, m if "until" in name else after(m)) for name, m in months.items()), key=lambda one: one[1])


def drop_due(organization_id: int, at: datetime) -> int:
    """The clock's chore: drop parts whose six years are over and of which nobody needs anything. A part holds rows of
    every organization, so the first of them asks for all. Returns how many rows went."""
    due = [name for name, upto in parts() if midnight(upto) + timedelta(days=keeping.SIX_YEARS) <= at]
    if not due:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        organizations = [row[0] for row in cursor.fetchall()]
    if organization_id != min(organizations):
        return 0
    return sum(drop(name, organizations, at) for name in due)


def drop(name: str, organizations: Iterable[int], at: datetime) -> int:
    """One part, in one transaction: what it leaves, the event in each chain, and then the rows."""
    upto = dict(parts())[name]
    with transaction.atomic():
        for organization_id in organizations:
            with walls.organization(organization_id):
                if why := needed(name, organization_id, at):
                    log.info("audit: %s stays: %s in organization %d", name, why, organization_id)
                    return 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT ehrc_audit_let_go(%s)", [name])
            for organization_id in organizations:
                with walls.organization(organization_id):
                    if AuditGap.objects.filter(organization_id=organization_id, upto=upto).exists():
                        audit.record(
                            organization_id=organization_id, by=audit.system("retention"), action=ACTION,
                            entity=f"audit:{upto}", at=at, reason=digest(organization_id),
                        )  # fmt: skip
            cursor.execute("SELECT ehrc_audit_drop(%s)", [name])
            rows = int(cursor.fetchone()[0])
    log.info("audit: %s was dropped after six years, %d rows", name, rows)
    return rows


def needed(name: str, organization_id: int, at: datetime) -> str:
    """Why this organization still needs the part; "" if it does not. Call inside its walls."""
    rows = AuditEvent.objects.filter(organization_id=organization_id, at__lt=midnight(dict(parts())[name]))
    if "until" not in name:
        rows = rows.filter(at__gte=datetime(int(name[-7:-3]), int(name[-2:]), 1, tzinfo=UTC))
    if rows.filter(seal_number=None).exists():
        return "rows without a seal"
    last = rows.aggregate(last=Max("seal_number"))["last"]
    if last is None:
        return ""
    if not AuditRoot.objects.filter(organization_id=organization_id, number__gte=last).exists():
        return "no root over it yet"
    held = [ref for keeper in KEEPERS for ref in keeper(organization_id, at)]
    return "a legal hold" if rows.filter(patient_ref__in=held).exists() else ""


def digest(organization_id: int) -> str:
    """Over everything that ever went of this chain."""
    rows = AuditGap.objects.filter(organization_id=organization_id).order_by("first")
    said = hashlib.sha256()
    for upto, first, last, seal in rows.values_list("upto", "first", "last", "seal").iterator():
        said.update(f"{upto}:{first}:{last}:{bytes(seal).hex()};".encode())
    return said.hexdigest()


def breaks(organization_id: int) -> tuple[str, ...]:
    """Gaps that no event of the chain speaks of, or that came before their time."""
    newest = AuditGap.objects.filter(organization_id=organization_id).order_by("-upto").first()
    if newest is None:
        return ()
    said = AuditEvent.objects.filter(organization_id=organization_id, entity=f"audit:{newest.upto}", action=ACTION)
    times = said.filter(reason=digest(organization_id)).values_list("at", flat=True)
    if any(at - midnight(newest.upto) >= timedelta(days=keeping.SIX_YEARS) for at in times):
        return ()
    return (f"rows up to number {newest.last} are called dropped after six years, and no event says so",)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
