"""docs/data-map.md and docs/data-map.csv, made from the table: what an auditor reads and what a spreadsheet takes.
Drift fails a test (tests/house/test_docs.py)."""

import csv
import io

from ehrcommerce.policy import derive
from ehrcommerce.policy.table import ACT_REASON, CROSSINGS, TITLE, Crossing

HEAD = """# Data map

Generated from `ehrcommerce/policy/table.py` and `ehrcommerce/policy/outward.py` by `manage.py write_docs`; the same as a
spreadsheet: [data-map.csv](data-map.csv). One row is one element of the chart, or one value of our own that goes out, one
purpose, one fate. What is not here is not read, or is dropped before anything else sees it.

"""
COLUMNS = (
    "purpose", "act_reason", "direction", "element", "field", "recipients", "kept_as", "erased_after", "erased_days",
    "seen_by", "because",
)  # fmt: skip


def source(row: Crossing) -> str:
    """Where a value comes from, or where it goes: a FHIR element, or a value of our own."""
    return f"{row.resource}.{row.element}" if row.resource else "our own"


def direction(row: Crossing) -> str:
    return "from the chart" if row in CROSSINGS else "outward"


def data_map() -> str:
    """The whole page, one table for each purpose, then retention classes and scopes that follow from it."""
    parts = [HEAD]
    for purpose in dict.fromkeys(row.purpose for row in derive.EVERYTHING):
        parts.append(f"## {TITLE[purpose]} (`{purpose}`, {ACT_REASON[purpose]})\n\n")
        parts.append("| element | becomes | goes to | kept | seen by | because |\n")
        parts.append("| --- | --- | --- | --- | --- | --- |\n")
        parts += [_line(row) for row in derive.EVERYTHING if row.purpose == purpose]
        parts.append("\n")
    parts.append("## How long\n\n| class | kept as | starts with | days | fields |\n| --- | --- | --- | --- | --- |\n")
    for name, one in derive.retention().items():
        fields = ", ".join(one.fields) or "-"
        parts.append(f"| {name} | {one.keeping.form} | {one.keeping.after} | {one.keeping.days} | {fields} |\n")
    parts.append("\n## Scopes of a launch\n\n`" + " ".join(derive.launch_scopes("v2")) + "`\n\n")
    parts.append("For EHRs of the older dialect: `" + " ".join(derive.launch_scopes("v1")) + "`\n")
    return "".join(parts)


def _line(row: Crossing) -> str:
    cells = (
        source(row), row.field or "a decision", ", ".join(row.recipients) or "nobody", str(row.kept),
        ", ".join(row.sees) or "nobody", row.because,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def data_map_csv() -> str:
    """The same rows for a spreadsheet, quoted after RFC 4180."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in derive.EVERYTHING:
        table.writerow((
            row.purpose, ACT_REASON[row.purpose], direction(row), source(row), row.field, "; ".join(row.recipients),
            row.kept.form, row.kept.after, row.kept.days, "; ".join(row.sees), row.because,
        ))  # fmt: skip
    return out.getvalue()
