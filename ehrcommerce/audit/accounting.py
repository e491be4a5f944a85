"""Accounting of disclosures (45 CFR 164.528): what of one person went to whom, when and why, in the last six years. Read
from the audit chain alone, so that it can be told after the data itself is gone.

Each line stands for an intent that was audited and committed before the bytes went out. A try that was repeated is one
line; one that never arrived stands here too, since nobody can prove that a packet was not read on its way."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ehrcommerce.audit.models import AuditEvent

YEARS = timedelta(days=6 * 365 + 2)
# Every act by which something of a person reaches another party -> what it is called on paper.
OUTWARD = {
    "fulfillment.sending": "Order sent to the supplier",
    "coverage.sent": "Question to the health plan",
    "link.sent": "Link sent to the patient",
    "checkout.code_sent": "One-time code sent to the patient",
    "patient.notified": "News of the order sent to the patient",
    "payment.open.sending": "Payment page opened",
    "chart.reporting": "State of the order reported to the chart",
}
# 164.528(a)(1)(i): treatment, payment and operations need not be accounted for. They are, marked, so that either reading
# of the rule can be printed. Whatever is not named here is none of them.
TPO = {
    "prescription": "treatment", "device": "treatment", "kit": "treatment", "dispensing": "treatment",
    "contact": "treatment", "identity": "treatment", "shipping": "operations", "eligibility": "payment",
    "payment": "payment",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One disclosure. `what` names elements, never values; `basis` is treatment, payment, operations or "" (other)."""

    at: datetime
    recipient: str
    act: str
    what: tuple[str, ...]
    purpose: str
    basis: str
    by: str
    entity: str
    number: int | None


def lines(*, organization_id: int, patient: bytes, at: datetime, since: datetime | None = None) -> list[Line]:
    """Oldest first. `patient` is the audit's own name of the person (services.patient_ref)."""
    rows = AuditEvent.objects.filter(
        organization_id=organization_id, patient_ref=patient, action__in=OUTWARD, outcome="success",
        at__gte=since or at - YEARS, at__lte=at,
    )  # fmt: skip
    once: dict[tuple[str, str], Line] = {}
    for row in rows.order_by("pk").iterator():
        what = tuple(filter(None, row.elements.split(",")))
        line = Line(
            row.at, row.recipient, OUTWARD[row.action], what, row.purpose, TPO.get(row.purpose, ""), row.actor,
            row.entity, row.seal_number,
        )  # fmt: skip
        # Tries of one effect are one disclosure; a second code, a second message are effects of their own.
        once.setdefault((row.action, row.cause or str(row.pk)), line)
    return list(once.values())
