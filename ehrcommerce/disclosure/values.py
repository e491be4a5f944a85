"""Single values of an answer, made safe or made empty: text, numbers, dates, codes, references. Every function here
takes whatever JSON can hold and returns a plain value; none raises, so one bad resource never spoils a Bundle."""

import calendar
import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ehrcommerce.policy.leaves import MOST_CHARACTERS

NAME_CAP, DIRECTIONS_CAP, CODE_CAP, SYSTEM_CAP = 200, MOST_CHARACTERS, 64, 200
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")
_DECIMAL = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T.*)?", re.ASCII)
_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_INVISIBLE = ("Cf", "Cs", "Co", "Cn")

Json = Mapping[str, Any]
Reference = tuple[str, str]


def at_path(raw: Any, *path: str) -> Any:
    """The value below `raw`, None where a step is missing. A list on the way stands for its first object."""
    for name in path:
        if isinstance(raw, list):
            raw = next((part for part in raw if isinstance(part, Mapping)), None)
        if not isinstance(raw, Mapping):
            return None
        raw = raw.get(name)
    return raw


def many(value: Any) -> list[Json]:
    """The objects of a list; one object where the EHR forgot the list; none for anything else."""
    if isinstance(value, Mapping):
        return [value]
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def text(value: Any, cap: int = NAME_CAP) -> str:
    """Words for people: no markup, no control, no invisible or direction-turning characters, one space between words,
    at most `cap` characters with an ellipsis where it was cut."""
    words = value if isinstance(value, str) else ""
    for _ in range(4):
        # A megabyte of text is not searched for tags; nobody reads so far.
        stripped = _TAG.sub(" ", words[: cap * 20])
        if stripped == words:
            break
        words = stripped
    visible = (c for c in words[: cap * 20] if unicodedata.category(c) not in _INVISIBLE)
    clean = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in visible).split())
    return clean if len(clean) <= cap else f"{clean[: cap - 1].rstrip()}…"


def was_cut(value: Any, cap: int) -> bool:
    """Whether `text` had to leave something out at the end."""
    return text(value, cap) != text(value, cap * 20)


def code(value: Any, cap: int = CODE_CAP) -> str:
    """A code or URI: printable ASCII without blanks around; "" for anything else or anything longer."""
    clean = value.strip() if isinstance(value, str) else ""
    return clean if len(clean) <= cap and clean.isascii() and clean.isprintable() else ""


def number(value: Any) -> str:
    """A number as the characters that stood in the chart; "" where it is negative, huge, or no number at all."""
    words = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return words if _DECIMAL.fullmatch(words) else ""


def is_true(value: Any) -> bool:
    """True, and also "true": some EHRs write booleans as text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def is_false(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")


def day(value: Any) -> str:
    """The date part of a FHIR date or dateTime, as precise as it was written; "" where it is none."""
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or last_day(value) is None:
        return ""
    return "-".join(part for part in found.groups() if part)


def last_day(value: Any) -> date | None:
    """The last day that a FHIR date may mean: 2014 is 31 December 2014."""
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, number_of_day = (int(part) if part else 0 for part in found.groups())
    try:
        month = month or 12
        return date(year, month, number_of_day or calendar.monthrange(year, month)[1])
    except (ValueError, calendar.IllegalMonthError):
        return None


def first_day(value: Any) -> date | None:
    """The first day that a FHIR date may mean."""
    found = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        return date(*(int(part) if part else 1 for part in found.groups()))
    except ValueError:
        return None


def is_over(period: Any, on: date) -> bool:
    """Whether a Period ended before `on`."""
    end = last_day(at_path(period, "end"))
    return end is not None and end < on


def is_ahead(period: Any, on: date) -> bool:
    """Whether a Period begins after `on`."""
    start = first_day(at_path(period, "start"))
    return start is not None and start > on


def reference(value: Any, base: str) -> Reference | None:
    """Type and id of a reference that lies in this EHR: relative, or absolute below `base`. None for `#contained`,
    `urn:`, `//host/x`, another host's URL and whatever else must not be followed with our token."""
    words = value.strip() if isinstance(value, str) else ""
    found = _LOCAL.fullmatch(words.removeprefix(f"{base.rstrip('/')}/"))
    return (found[1], found[2]) if found and set(found[2]) != {"."} else None


def patient_named(value: Any) -> str:
    """The Patient id at the end of any reference, wherever it points; "" where it names none."""
    words = value.strip() if isinstance(value, str) else ""
    parts = words.split("/_history/")[0].rsplit("/", 2)
    return parts[-1] if len(parts) >= 2 and parts[-2] == "Patient" else ""


def newer(first: Json, second: Json) -> Json:
    """Of two versions of one resource the one that was changed last; the second where they do not say."""
    one, other = (_instant(at_path(raw, "meta", "lastUpdated")) for raw in (first, second))
    return first if one and other and one > other else second


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def codes(concept: Any) -> set[str]:
    """Every code of a CodeableConcept or of a list of them."""
    return {found for one in many(concept) for part in many(one.get("coding")) if (found := code(part.get("code")))}


def words_of(concept: Any, cap: int = NAME_CAP) -> str:
    """What a CodeableConcept is called: its text, else the first display."""
    displays = (text(part.get("display"), cap) for part in many(at_path(concept, "coding")))
    return text(at_path(concept, "text"), cap) or next(filter(None, displays), "")


def quantity(value: Any) -> tuple[str, str]:
    """Number and unit. A unit without its number, or with one that cannot be, says nothing."""
    found = number(at_path(value, "value"))
    unit = text(at_path(value, "unit"), CODE_CAP) or code(at_path(value, "code"))
    return (found, unit) if found else ("", "")


def is_modified(kept: object) -> bool:
    """An extension that may turn the meaning around stands somewhere in what was kept, or rules that nobody knows."""
    if isinstance(kept, Mapping):
        return any(name in ("modifierExtension", "implicitRules") or is_modified(part) for name, part in kept.items())
    return isinstance(kept, list) and any(is_modified(part) for part in kept)


# Of HL7 v3 Confidentiality what asks for no more care than any record (unrestricted, low, moderate, normal), and test
# data (ActReason). Every other label stops: restricted, very restricted, the sensitivities of ActCode (HIV, SUD, PSY,
# SDV, SEX, STD ...), an EHR's own, and one that cannot be read.
HARMLESS_LABELS = frozenset({"U", "L", "M", "N", "HTEST"})


def is_restricted(kept: Json) -> bool:
    """Whether a security label stands on it that keeps it in the chart (DS4P)."""
    labels = [one for meta in many(kept.get("meta")) for one in many(meta.get("security"))]
    return any(code(one.get("code")) not in HARMLESS_LABELS for one in labels)
