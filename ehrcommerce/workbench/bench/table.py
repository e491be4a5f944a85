"""The table that a stranger reads, and the file that a program reads."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ehrcommerce.workbench.bench.registry import HOLDS, SHORT, Row

WIDTHS = (5, 50, 14, 14, 14, 7)
HEADS = ("goal", "what", "measured", "wanted", "reference", "ratio")


def table(rows: Sequence[Row]) -> str:
    """One line for each row, its note below it; parts apart."""
    lines = [f"{_line(HEADS)}  verdict"]
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            lines += ["", f"{part} (load average {row.load:.1f})"]
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        cells = (row.goal, row.what, row.measured, row.wanted, row.reference, ratio)
        lines.append(f"{_line(cells)}  {row.verdict}")
        if row.note:
            lines.append(f"{'':{WIDTHS[0]}} {row.note}")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def verdicts(rows: Sequence[Row]) -> str:
    """The closing line."""
    held = sum(row.verdict == HOLDS for row in rows)
    short = [row for row in rows if row.verdict == SHORT]
    said = f"{held} of {held + len(short)} goals hold"
    return said + (
        "." if not short else "; fall short: " + ", ".join(f"{row.goal} ({row.what})" for row in short) + "."
    )


def machine(versions: dict[str, str]) -> dict[str, Any]:
    """Where and when: nothing in it names the machine itself."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "cores": os.cpu_count() or 0, "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(), **versions,
    }  # fmt: skip


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def words_of(machine: dict[str, Any]) -> str:
    fixed = f"{machine['date']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    rest = [
        f"{name} {value}" for name, value in machine.items() if name not in ("date", "cores", "memory_gib", "system")
    ]
    return ", ".join([fixed, *rest])


def write(path: Path, rows: Sequence[Row], told: dict[str, Any]) -> None:
    """What a nightly run compares."""
    path.write_text(json.dumps({"machine": told, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
