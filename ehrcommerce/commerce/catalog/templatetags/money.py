"""Money on pages: integer cents in, `$12.00` out, the same in English and Spanish (United States)."""

from django import template

register = template.Library()


@register.filter
def dollars(cents: int | None) -> str:
    """`1200` -> `$12.00`. An unknown amount is never shown as zero."""
    if cents is None:
        return "–"
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"
