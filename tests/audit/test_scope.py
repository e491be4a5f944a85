"""`manage.py audit scope`: whose data somebody touched in a time, for the letter that a breach asks for."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.audit.services import Actor
from ehrcommerce.vault import walls
from tests import factories

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 11, 2, tzinfo=UTC)
EVE, ADA = Actor("user", "eve"), Actor("user", "ada")


def touched(clinic: Organization, by: Actor, key: str, hour: int, **more: Any) -> None:
    given = {"action": "chart.read", "entity": "launch:x", "elements": ["Patient.name"], "recipient": "clinician", **more}
    audit.record(organization_id=clinic.pk, by=by, at=DAY + timedelta(hours=hour), customer_key=key, **given)


def scope(clinic: Organization, *words: str) -> tuple[list[dict[str, str]], str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(
        "audit", f"--organization={clinic.pk}", "scope", "--from=2026-11-02", "--to=2026-11-03", *words,
        stdout=out, stderr=err,
    )  # fmt: skip
    return list(csv.DictReader(io.StringIO(out.getvalue()))), err.getvalue()


@pytest.fixture
def busy(clinic: Organization) -> Organization:
    """Eve read two people, one of them twice; Ada one of them too; before and after, and elsewhere, does not count."""
    other = factories.organization()
    touched(other, EVE, "elsewhere", 3)
    walls.enter(clinic.pk)
    touched(clinic, EVE, "cy", 1)
    touched(clinic, EVE, "cy", 5, action="order.read", elements=["MedicationRequest.status"], recipient="commerce")
    touched(clinic, EVE, "dee", 2)
    touched(clinic, ADA, "cy", 6)
    touched(clinic, EVE, "early", -1)
    touched(clinic, EVE, "late", 24)
    audit.record(organization_id=clinic.pk, by=EVE, at=DAY, action="signed.in", entity="user:eve")
    return clinic


def test_each_person_once_for_each_pair_of_hands(busy: Organization) -> None:
    rows, said = scope(busy)
    seen = {(row["patient"], row["actor"]): row for row in rows}
    refs = {key: audit.patient_ref(key).hex() for key in ("cy", "dee")}
    assert set(seen) == {(refs["cy"], "user:eve"), (refs["dee"], "user:eve"), (refs["cy"], "user:ada")}
    twice = seen[refs["cy"], "user:eve"]
    assert (twice["times"], twice["first"], twice["last"]) == ("2", "2026-11-02T01:00:00Z", "2026-11-02T05:00:00Z")
    assert (twice["actions"], twice["recipients"]) == ("chart.read+order.read", "clinician+commerce")
    assert twice["elements"] == "MedicationRequest.status+Patient.name"
    assert f"organization {busy.pk}: 2 patients" in said
    assert AuditEvent.objects.get(action="audit.asked").reason == "scope"


def test_one_pair_of_hands_alone(busy: Organization) -> None:
    rows, said = scope(busy, "--actor=user:ada")
    assert [row["patient"] for row in rows] == [audit.patient_ref("cy").hex()]
    assert "1 patients" in said


def test_nobody_was_touched_is_said_too(clinic: Organization) -> None:
    rows, said = scope(clinic)
    assert rows == []
    assert "0 patients" in said
