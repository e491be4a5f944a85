"""docs/data-map.md, made from the table: what an auditor reads. Drift fails a test (tests/house/test_docs.py)."""

from ehrcommerce.policy import derive
from ehrcommerce.policy.table import ACT_REASON, CROSSINGS

HEAD = """# Data map

Generated from `ehrcommerce/policy/table.py` by `manage.py write_docs`. One row is one element of the chart, one purpose, one fate. What is not here
is not read, or is dropped before anything else sees it.

"""


def data_map() -> str:
    """The whole page, one table for each purpose, and the scopes that follow from it."""
    parts = [HEAD]
    for purpose in dict.fromkeys(row.purpose for row in CROSSINGS):
        parts.append(f"## {purpose} ({ACT_REASON[purpose]})\n\n")
        parts.append("| FHIR element | becomes | goes to | kept | because |\n| --- | --- | --- | --- | --- |\n")
        for row in (row for row in CROSSINGS if row.purpose == purpose):
            recipients = ", ".join(row.recipients) or "nobody"
            parts.append(
                f"| {row.resource}.{row.element} | {row.field or 'a decision'} | {recipients} | {row.kept} | {row.because} |\n"
            )
        parts.append("\n")
    parts.append("## Scopes of a launch\n\n`" + " ".join(derive.launch_scopes("v2")) + "`\n\n")
    parts.append("For EHRs of the older dialect: `" + " ".join(derive.launch_scopes("v1")) + "`\n")
    return "".join(parts)
