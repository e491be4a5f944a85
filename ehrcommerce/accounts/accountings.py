"""The accounting of disclosures on paper: CSV for a spreadsheet, PDF/UA for the patient. Parties are named as the registry
of agreements names them; everything else is what the audit chain says."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime

from ehrcommerce.accounts.models import Agreement, Organization
from ehrcommerce.accounts.typesetting import tagged_pdf
from ehrcommerce.audit.accounting import Line

HEAD = ("When (UTC)", "To whom", "What happened", "Elements", "Purpose", "Treatment, payment or operations", "Audit number")
# What a spreadsheet would take for a formula or a command (OWASP ASVS 1.2.10).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
TEMPLATE = "audit/accounting.typ"


def safe(cell: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def rows(organization_id: int, lines: Iterable[Line]) -> list[tuple[str, ...]]:
    parties = Agreement.objects.filter(organization_id=organization_id).order_by("pk")
    names = dict(parties.values_list("party", "party_name"))
    return [
        (
            f"{line.at:%Y-%m-%d %H:%M:%S}", names.get(line.recipient, line.recipient), line.act,
            ", ".join(line.what) or "an opaque reference only", line.purpose, line.basis or "none of them",
            "not sealed yet" if line.number is None else str(line.number),
        )
        for line in lines
    ]  # fmt: skip


def as_csv(organization_id: int, lines: Iterable[Line]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([HEAD, *([safe(cell) for cell in row] for row in rows(organization_id, lines))])
    return out.getvalue().encode("utf-8-sig")


def as_pdf(organization: Organization, lines: Iterable[Line], *, at: datetime) -> bytes:
    """Tagged, so that a screen reader reads it; nothing is fetched to make it. The person is not named: whoever hands
    it over knows whom they verified."""
    data = {
        "clinic": organization.name, "phone": organization.phone, "at": f"{at:%Y-%m-%d %H:%M} UTC",
        "head": HEAD, "rows": rows(organization.pk, lines),
    }  # fmt: skip
    return tagged_pdf(TEMPLATE, data)
