"""Values that occur nowhere else. A text is 24 characters in three pieces of eight, each unique by itself and each begun
by `zq`: whoever cuts, masks or re-encodes one leaves a piece that still names its path. Where FHIR demands another type
the value is valid and as unique as the type allows: a day of another century, a number of twelve digits."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from ehrcommerce.workbench.demo_catalog import PRODUCTS

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
MARK = "zq"
PIECE = re.compile(r"zq[a-z2-7]{6}")
TEXT = re.compile(r"(?:zq[a-z2-7]{6}){3}")
LONG_AGO = (date(1700, 1, 1), date(1899, 12, 31))
FAR_AHEAD = (date(2110, 1, 1), date(2290, 12, 31))
# Numbers that stand in our own catalog: a sentinel that is one of them by chance would be found there.
OURS = frozenset(code for product in PRODUCTS for _, code, _ in product.codes)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where one sentinel was planted. `path` has no indexes; `chart` names the chart, for the report."""

    resource: str
    path: str
    chart: str
    kind: str

    def __str__(self) -> str:
        return f"{self.resource}.{self.path} (chart {self.chart})"


@dataclass
class Ledger:
    """What was planted where. The same seed plants the same values."""

    seed: int
    texts: dict[str, Mark] = field(default_factory=dict)  # piece -> mark
    digits: dict[str, Mark] = field(default_factory=dict)  # number, phone -> mark
    days: dict[date, Mark] = field(default_factory=dict)
    times: dict[str, Mark] = field(default_factory=dict)  # clock times with their fraction
    planted: set[tuple[str, str]] = field(default_factory=set)
    silent: set[tuple[str, str]] = field(default_factory=set)  # planted with a value that can say nothing: a boolean

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def _fresh(self, taken: dict[str, Mark], make: "Callable[[], str]") -> str:
        while (value := make()) in taken or value in OURS:
            pass
        return value

    def _piece(self) -> str:
        return MARK + "".join(self.random.choices(LETTERS, k=6))

    def text(self, mark: Mark, pieces: int = 3) -> str:
        """Valid as string, code, id and markdown. One piece where the app caps the element at twelve characters."""
        found = []
        for _ in range(pieces):
            piece = self._fresh(self.texts, self._piece)
            self.texts[piece] = mark
            found.append(piece)
        return "".join(found)

    def number(self, mark: Mark) -> str:
        """A decimal with twelve digits of its own."""
        value = self._fresh(
            self.digits, lambda: f"{self.random.randint(100000, 999999)}.{self.random.randint(1, 999999):06d}"
        )
        self.digits[value] = mark
        return value

    def whole(self, mark: Mark, digits: int = 9) -> int:
        value = self._fresh(self.digits, lambda: str(self.random.randint(10 ** (digits - 1), 2 * 10 ** (digits - 1))))
        self.digits[value] = mark
        return int(value)

    def name_digits(self, value: str, mark: Mark) -> str:
        """Digits whose form the world decides: a phone number, an NPI."""
        self.digits[value] = mark
        return value

    def day(self, mark: Mark, span: tuple[date, date] = FAR_AHEAD) -> date:
        low, high = span
        while (value := low + timedelta(self.random.randrange((high - low).days))) in self.days:
            pass
        self.days[value] = mark
        return value

    def time(self, mark: Mark) -> str:
        def make() -> str:
            hour, minute, second = (self.random.randrange(top) for top in (24, 60, 60))
            return f"{hour:02d}:{minute:02d}:{second:02d}.{self.random.randint(100000, 999999)}"

        value = self._fresh(self.times, make)
        self.times[value] = mark
        return value

    def merge(self, other: "Ledger") -> None:
        for name in ("texts", "digits", "days", "times", "planted", "silent"):
            getattr(self, name).update(getattr(other, name))
