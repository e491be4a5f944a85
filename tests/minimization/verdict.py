"""May this element be in this place? The policy table answers: its recipients, who sees, how it is kept. What it forbids
is a leak; what it allows and never arrives anywhere shows that the search, or the row, is blind."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ehrcommerce.policy import derive, table
from ehrcommerce.policy.table import Crossing
from tests.minimization.scanner import Hit, scan
from tests.minimization.sentinels import Ledger, Mark
from tests.minimization.sinks import BY_NAME, SINKS, Basin, Sink


@dataclass(frozen=True, slots=True)
class Leak:
    """One element where it must not be; `wrapping` is the plainest form in which it lies there."""

    mark: Mark
    sink: str
    wrapping: str
    around: str

    def __str__(self) -> str:
        return f"{self.mark} in {self.sink} as {self.wrapping}: ...{self.around}..."


@dataclass
class Found:
    """The outcome of one search."""

    leaks: list[Leak] = field(default_factory=list)
    arrived: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))  # element -> sinks
    searched: dict[str, int] = field(default_factory=dict)  # sink -> bytes

    @property
    def empty(self) -> list[str]:
        """Sinks in which nothing was collected: a search of nothing must not look like a clean one."""
        return [name for name, size in self.searched.items() if not size]


def rows_of(mark: Mark) -> tuple[Crossing, ...]:
    return tuple(row for row in derive.rows(resource=mark.resource) if row.element == mark.path)


def allowed(mark: Mark, sink: Sink) -> bool:
    """What the table says. The EHR hears its own ids again: nothing can be read without naming it."""
    rows = rows_of(mark)
    if sink.recipient == table.EHR:
        return any(row.element == "id" or row.element.endswith(".reference") for row in rows)
    return any(
        (sink.recipient and sink.recipient in row.recipients)
        or (sink.role and sink.role in row.sees)
        or row.kept.form in sink.stored
        or (sink.under_way and row.recipients)
        for row in rows
    )


def search(basin: Basin, ledger: Ledger, *, only: Iterable[str] = ()) -> Found:
    """Every sink for every sentinel."""
    found, wanted = Found(), set(only)
    for sink in SINKS:
        if wanted and sink.name not in wanted:
            continue
        content = basin.whole(sink.name)
        found.searched[sink.name] = len(content)
        plainest: dict[Mark, Hit] = {}
        for hit in sorted(
            scan(content, ledger), key=lambda hit: (hit.wrapping != "plain", len(hit.wrapping), hit.wrapping)
        ):
            plainest.setdefault(hit.mark, hit)
        for mark, hit in plainest.items():
            if allowed(mark, sink):
                found.arrived[mark.resource, mark.path].add(sink.name)
            else:
                found.leaks.append(Leak(mark, sink.name, hit.wrapping, hit.around))
    found.leaks.sort(key=str)
    return found


def must_arrive(ledger: Ledger) -> dict[tuple[str, str], set[str]]:
    """Elements that the table gives to somebody as a field, and that were planted with a value of their own -> the sinks
    in which they may be seen. What only decides, and what the shop sets, cannot be told apart by a sentinel."""
    told = {
        (mark.resource, mark.path)
        for marks in (ledger.texts, ledger.digits, ledger.days, ledger.times)
        for mark in marks.values()
    }
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in table.CROSSINGS:
        presence = row.element.rpartition(".")[2] in derive.PRESENCE
        if row.field and (row.recipients or row.sees) and not presence and (row.resource, row.element) in told:
            wanted[row.resource, row.element] |= {
                name for name, sink in BY_NAME.items() if sink.recipient in row.recipients or sink.role in row.sees
            }
    return wanted
