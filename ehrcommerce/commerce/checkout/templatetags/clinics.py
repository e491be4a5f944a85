"""Whose pages a patient's page leads to."""

from typing import Any
from uuid import UUID

from django import template

register = template.Library()


@register.filter
def clinic_id(clinic: Any) -> UUID | None:
    """The clinic's public id, of an organization or of what a link's holder may see of it; never the link's own."""
    return getattr(clinic, "clinic_id", None) or (clinic.public_id if hasattr(clinic, "terms_en") else None)
