"""Dosage instructions as text. The words of the clinician come first; the parts that a machine could read are put
beside them in a fixed form, and nothing is worked out that the chart does not say."""

from collections.abc import Callable, Sequence
from typing import Any

from ehrcommerce.disclosure import values
from ehrcommerce.disclosure.values import DIRECTIONS_CAP, Json, at_path, many, number, text

_DAYS = frozenset({"d", "day", "days"})
_WEEKS = frozenset({"wk", "week", "weeks"})


def directions(said: Sequence[Json]) -> str:
    """The free text of each step, in the order of `sequence`."""
    return text(_all_words(said), DIRECTIONS_CAP)


def is_too_long(said: Any) -> bool:
    """Whether directions would have to be cut: half a sentence about a medicine must not reach anybody."""
    return values.was_cut(_all_words(many(said)), DIRECTIONS_CAP)


def _all_words(said: Sequence[Json]) -> str:
    steps = (text(step.get("text"), DIRECTIONS_CAP * 20) for step in sorted(said, key=_place))
    return "; ".join(filter(None, steps))


def _place(step: Json) -> float:
    words = number(step.get("sequence"))
    return float(words) if words else 1e6


def route(said: Sequence[Json]) -> str:
    return _joined(said, lambda step: values.words_of(step.get("route"), values.CODE_CAP))


def dose(said: Sequence[Json]) -> str:
    """`0.50 tablet`, or `1-2 tablet` for a range."""
    return _joined(said, lambda step: ", ".join(filter(None, map(_one_dose, many(step.get("doseAndRate"))))))


def _one_dose(rate: Json) -> str:
    amount, unit = values.quantity(rate.get("doseQuantity"))
    if not amount:
        low, unit = values.quantity(at_path(rate, "doseRange", "low"))
        high, unit_of_high = values.quantity(at_path(rate, "doseRange", "high"))
        amount, unit = "-".join(filter(None, (low, high))), unit or unit_of_high
    return f"{amount} {unit}".strip()


def timing(said: Sequence[Json]) -> str:
    """`2 per 1 d`, `1-2 per 4-6 h, as needed`: the chart's own numbers and units."""
    return _joined(said, _one_timing)


def _one_timing(step: Json) -> str:
    repeat = at_path(step, "timing", "repeat")
    times = _span(repeat, "frequency") or ("1" if number(at_path(repeat, "period")) else "")
    period = f"{_span(repeat, 'period')} {values.code(at_path(repeat, 'periodUnit'), 4)}".strip()
    parts = [
        f"{times} per {period}" if times and number(at_path(repeat, "period")) else "",
        *(_list(at_path(repeat, name)) for name in ("dayOfWeek", "timeOfDay", "when")),
        f"{count} times in all" if (count := number(at_path(repeat, "count"))) else "",
        text(at_path(step, "timing", "code", "text"), values.CODE_CAP),
        "as needed" if values.is_true(step.get("asNeededBoolean")) or "asNeededCodeableConcept" in step else "",
    ]
    return ", ".join(filter(None, parts))


def _span(repeat: Any, name: str) -> str:
    return "-".join(filter(None, (number(at_path(repeat, name)), number(at_path(repeat, f"{name}Max")))))


def _list(value: Any) -> str:
    return " ".join(filter(None, (values.code(one, 12) for one in value))) if isinstance(value, list) else ""


def days(duration: Any) -> str:
    """A supply in days; weeks are seven of them, any other unit is not guessed at."""
    amount, unit = values.quantity(duration)
    name = unit.casefold()
    if name in _WEEKS:
        return str(int(amount) * 7) if amount.isdigit() else ""
    return amount if name in _DAYS else ""


def _joined(said: Sequence[Json], read: Callable[[Json], str]) -> str:
    """One part for each step, in order; the same words are said once."""
    parts = [part for step in sorted(said, key=_place) if (part := read(step))]
    return text("; ".join(dict.fromkeys(parts)))
