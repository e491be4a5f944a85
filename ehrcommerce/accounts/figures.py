"""How it goes, in numbers: charts that the server draws, each with its table, for a day, a week or a month. Each app says
what it has to say (as for the first page, desk.py); this file knows none of them. Counts only, of nobody in particular."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import staff_of
from ehrcommerce.accounts.models import User

PERIODS = {"day": ("24 hours", timedelta(days=1)), "week": ("7 days", timedelta(days=7)), "month": ("30 days", timedelta(days=30))}
# Of the drawing, in its own units; the page makes it as wide as there is room.
WIDE, LABEL, VALUE, ROW, BAR = 640, 230, 110, 26, 16


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: how long it is (`size`, any unit, the same in one chart), and what is written beside it."""

    label: str
    size: int
    said: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """`means` says in one sentence what is counted; `head` names the two columns of the table."""

    title: str
    means: str
    rows: Sequence[Row]
    head: tuple[str, str] = ("", "How many")
    nothing: str = "Nothing happened in this time."


@dataclass(frozen=True, slots=True)
class Bar:
    """A row with its place in the drawing."""

    row: Row
    y: int
    width: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with what its SVG needs. Whole numbers only."""

    key: str
    chart: Chart
    bars: Sequence[Bar] = field(default_factory=tuple)
    height: int = 0


Maker = Callable[[datetime], Chart]
_makers: list[tuple[int, frozenset[str], Maker]] = []


def chart(place: int, roles: frozenset[str]) -> Callable[[Maker], Maker]:
    """Put what this function returns on the page of these roles. Called inside the walls, with where the time begins."""

    def keep(maker: Maker) -> Maker:
        _makers.append((place, roles, maker))
        return maker

    return keep


def charts_for(user: User, since: datetime) -> list[Drawn]:
    made = [maker(since) for _, roles, maker in sorted(_makers, key=lambda each: each[0]) if user.role in roles]
    return [draw(f"c{number}", each) for number, each in enumerate(made, start=1)]


def draw(key: str, made: Chart) -> Drawn:
    """The longest bar has all the room; a bar of something is never invisible."""
    most = max((row.size for row in made.rows), default=0)
    room = WIDE - LABEL - VALUE
    bars = [
        Bar(row, place * ROW, max(row.size * room // most, 2 if row.size else 0) if most else 0)
        for place, row in enumerate(made.rows)
    ]
    return Drawn(key, made, bars, len(bars) * ROW)


def share(part: int, whole: int) -> str:
    """A percentage in whole numbers; of nothing there is none."""
    return f"{(part * 200 + whole) // (whole * 2)} %" if whole else "-"


def span(taken: timedelta | None) -> str:
    """How long, as people say it."""
    if taken is None:
        return "-"
    minutes = int(taken.total_seconds()) // 60
    if minutes < 1:
        return "under a minute"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def page(request: HttpRequest) -> HttpResponse:
    """All charts of this role."""
    from ehrcommerce.accounts.otp import site

    user = staff_of(request)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    asked = str(request.GET.get("time", "week"))
    period = asked if asked in PERIODS else "week"
    name, length = PERIODS[period]
    context: dict[str, Any] = {
        **site.each_context(request), "title": f"How it went in the last {name}", "period": period,
        "periods": [(key, words) for key, (words, _) in PERIODS.items()],
        "charts": charts_for(user, timezone.now() - length), "wide": WIDE, "label": LABEL, "bar": BAR,
    }  # fmt: skip
    return TemplateResponse(request, "admin/figures.html", context)
