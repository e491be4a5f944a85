"""Words for people out of FHIR elements that may be absent, empty or of another shape than expected."""

from datetime import date
from typing import Any

from ehrcommerce.sandbox.ehr.fhir_json import Json


def rows_of(value: Any) -> list[Json]:
    """The objects in an element that may be a list, one object, or missing."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def concept(value: Any) -> str:
    """The text of a CodeableConcept, else a display, else a code."""
    for item in rows_of(value):
        codings = rows_of(item.get("coding"))
        words = [item.get("text"), *(row.get("display") for row in codings), *(row.get("code") for row in codings)]
        for word in words:
            if word:
                return str(word)
    return ""


def person(resource: Json) -> str:
    """Family, given."""
    names = rows_of(resource.get("name"))
    names.sort(key=lambda name: name.get("use") != "official")
    for name in names:
        given = " ".join(str(part) for part in name.get("given") or [] if isinstance(part, str))
        # Tests write crooked names on purpose: the list of patients is shown all the same.
        full = ", ".join(part for part in (name.get("family"), given) if isinstance(part, str) and part)
        if full or name.get("text"):
            return str(full or name["text"])
    return "(no name)"


def quantity(value: Any) -> str:
    """Value and unit with the value's own characters."""
    for item in rows_of(value):
        if item.get("value") is not None:
            return f"{number(item['value'])} {item.get('unit') or item.get('code') or ''}".strip()
    return ""


def number(value: Any) -> str:
    """A number as it was written."""
    return str(getattr(value, "text", value))


def age(birth: str, *, on: date) -> str:
    """Whole years, "" where the birth date does not say."""
    try:
        born = date.fromisoformat(birth)
    except ValueError:
        return ""
    return f"{on.year - born.year - ((on.month, on.day) < (born.month, born.day))} y"


def day(value: Any) -> str:
    """The date part of a date or time."""
    return str(value)[:10] if value else ""


def moment(value: Any) -> str:
    """Date and minute of a time."""
    return str(value)[:16].replace("T", " ") if value else ""
