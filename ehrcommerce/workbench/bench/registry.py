"""What a part of the bench is and what it says: a name, and rows that each answer one goal of docs/performance.md."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ehrcommerce.workbench.bench.system import Bench

HOLDS, SHORT, SEEN = "holds", "falls short", "-"


@dataclass(frozen=True)
class Row:
    """One line of the table. `holds` is None where a figure is told without a goal."""

    goal: str  # its code in docs/performance.md: L1, P2 ...
    what: str
    measured: str
    wanted: str = ""
    reference: str = ""
    ratio: float | None = None  # measured to reference, of one run
    holds: bool | None = None
    note: str = ""
    part: str = ""
    load: float = 0.0  # the machine's load average when it was measured

    @property
    def verdict(self) -> str:
        return SEEN if self.holds is None else HOLDS if self.holds else SHORT

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Part:
    name: str
    title: str
    run: Callable[["Bench"], list[Row]]


PARTS: dict[str, Part] = {}
# The order in which `all` runs them: what wants a quiet system first, what fills its tables last.
ORDER = ("launch", "link", "journey", "events", "fulfillment", "memory", "growth", "audit", "load")


def part(name: str, title: str) -> Callable[[Callable[["Bench"], list[Row]]], Callable[["Bench"], list[Row]]]:
    """Registers a part: `@part("growth", "pages and tables of a million rows")` above a function that takes the Bench."""

    def keep(run: Callable[["Bench"], list[Row]]) -> Callable[["Bench"], list[Row]]:
        if name in PARTS or name not in ORDER:
            raise ValueError(f"A part has one name of {ORDER}: {name} is not free.")
        PARTS[name] = Part(name, title, run)
        return run

    return keep


def most(goal: str, what: str, measured: float, limit: float, unit: str = "", **more: Any) -> Row:
    """A row that holds while the figure is at most the limit."""
    return Row(goal, what, figure(measured, unit), f"<= {figure(limit, unit)}", holds=measured <= limit, **more)


def least(goal: str, what: str, measured: float, limit: float, unit: str = "", **more: Any) -> Row:
    """A row that holds while the figure is at least the limit."""
    return Row(goal, what, figure(measured, unit), f">= {figure(limit, unit)}", holds=measured >= limit, **more)


def figure(value: float, unit: str = "") -> str:
    """As many digits as say something."""
    if value == int(value) and abs(value) < 1e9:
        number = f"{int(value)}"
    else:
        number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{number} {unit}".rstrip()
