"""One form of a day and of a moment on every page of a clinician: `14-Mar-1968`, `20-Nov-2026 10:02`. The month is a
word, because 03-04 is read as two different days; moments are told in the clinic's own time."""

from datetime import date, datetime

from django.utils import timezone

NOT_KNOWN = "Not known"


def day_words(day: date | str | None) -> str:
    """A date, or a FHIR date as precise as the chart has it: `14-Mar-1968`, `Mar-1968`, `1968`, `Not known`."""
    if isinstance(day, datetime):
        day = timezone.localtime(day).date()
    if isinstance(day, date):
        return f"{day:%d-%b-%Y}"
    said = (day or "").strip()[:10]
    for length, parts, form in ((10, "", "%d-%b-%Y"), (7, "-01", "%b-%Y"), (4, "-01-01", "%Y")):
        if len(said) == length:
            try:
                return f"{date.fromisoformat(said + parts):{form}}"
            except ValueError:
                break
    return NOT_KNOWN


def moment_words(at: datetime | None) -> str:
    """`20-Nov-2026 10:02`, in the time zone of the clinic."""
    return f"{timezone.localtime(at):%d-%b-%Y %H:%M}" if at else NOT_KNOWN


def time_words(at: datetime | None) -> str:
    """`10:02`, in the time zone of the clinic."""
    return f"{timezone.localtime(at):%H:%M}" if at else NOT_KNOWN


def born_words(birth_date: str, *, today: date) -> str:
    """`14-Mar-1968 (57y)`: the form that clinicians misread least."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return day_words(birth_date)
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return f"{day_words(born)} ({age}y)"
