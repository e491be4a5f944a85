"""CPU and memory of a tree of processes, from the kernel's own books (Linux)."""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
MB = 1_000_000
# Of /proc/<pid>/stat, counted behind the name: parent, then user, system, and both again of children that ended.
PARENT, TIMES = 1, slice(11, 15)


class NoBooks(RuntimeError):
    """This system has no /proc: CPU and memory of processes cannot be read. Run the bench on Linux."""


def stat_of(pid: int) -> list[str]:
    """The fields behind the name of the program, which may hold blanks; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root: int) -> list[int]:
    """This process and all below it."""
    if not Path("/proc/self/stat").exists():
        raise NoBooks(NoBooks.__doc__)
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat_of(int(name))):
            children.setdefault(int(fields[PARENT]), []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_s(*roots: int) -> float:
    """User and system time of these trees, those included that ended and were waited for."""
    ticks = 0
    for pid in {pid for root in roots for pid in tree(root)}:
        ticks += sum(int(value) for value in stat_of(pid)[TIMES])
    return ticks / TICK


def pss_mb(pid: int) -> float:
    """Memory in proportion: what is shared counts a part for each who shares it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / MB
    return 0.0


@dataclass
class Cost:
    """What a stretch of work took: CPU by name of the tree, and time on the wall."""

    cpu: dict[str, float]
    wall_s: float

    def ms(self, name: str, count: int) -> float:
        """CPU of one of `count` requests."""
        return self.cpu[name] * 1000 / max(count, 1)


@contextmanager
def cost(**roots: int) -> Iterator[Cost]:
    """Of what happens inside the block, for each named tree."""
    before, began = {name: cpu_s(pid) for name, pid in roots.items()}, time.monotonic()
    made = Cost({}, 0.0)
    yield made
    made.wall_s = time.monotonic() - began
    made.cpu = {name: cpu_s(pid) - before[name] for name, pid in roots.items()}


def median(values: list[float]) -> float:
    return float(statistics.median(values)) if values else 0.0


def share(values: list[float], part: float) -> float:
    """The value that this part of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
