"""The whole demo clinic as one list of resources. All dates hang on `today`, so it is as fresh in ten years as now."""

from datetime import date
from typing import Any

from . import clinic, coverages, devices_and_tests, medicines, patients, prescriptions
from .shapes import Resource


def demo_resources(today: date | None = None) -> list[Resource]:
    """Every resource, in an order in which a reference points to something earlier in the list.

    Fractions are Decimal (see exact_json); ids are stable and readable: `marisol-metformin`.
    """
    day = today or date.today()
    return [
        *clinic.resources(),
        *patients.resources(day),
        *coverages.resources(day),
        *medicines.resources(),
        *prescriptions.resources(day),
        *devices_and_tests.resources(day),
    ]


def demo_users() -> list[dict[str, Any]]:
    """The clinicians who may sign in: username, password, name, fhir_user."""
    return clinic.users()
