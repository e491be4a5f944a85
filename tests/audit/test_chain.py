"""What was done cannot be undone in the books, and who tries is found. [SEC-B12, REL-P36]"""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from tests.factories import NOW


def record(clinic: Organization, number: int = 5) -> None:
    for place in range(number):
        audit.record(organization_id=clinic.pk, by=audit.system("test"), action="a.b", entity=f"order:{place}", at=NOW)


def as_owner(sql: str) -> None:
    """What somebody with the owner's password could do, trigger switched off."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER USER")
        cursor.execute(sql)
        cursor.execute("ALTER TABLE audit_auditevent ENABLE TRIGGER USER")
        cursor.execute("SET ROLE ehrc_app")


def test_sealed_rows_make_a_chain_without_breaks(clinic: Organization) -> None:
    record(clinic)
    assert audit.seal(organization_id=clinic.pk) == 5
    record(clinic, 3)
    assert audit.seal(organization_id=clinic.pk, limit=2) == 2
    assert audit.seal(organization_id=clinic.pk) == 1
    assert audit.seal(organization_id=clinic.pk) == 0
    assert list(audit.breaks(organization_id=clinic.pk)) == []
    assert audit.head(clinic.pk)[0] == 8


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "act",
    [
        lambda: AuditEvent.objects.update(outcome="success!"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.update(seal_number=7, outcome="other"),
    ],
)
def test_the_app_can_neither_change_nor_remove_a_row(
    clinic: Organization, act: Callable[[], object], sealed: bool
) -> None:
    record(clinic, 1)
    if sealed:
        audit.seal(organization_id=clinic.pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        act()


def test_a_seal_cannot_be_set_twice(clinic: Organization) -> None:
    record(clinic, 1)
    audit.seal(organization_id=clinic.pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEvent.objects.update(seal=b"x" * 32)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE audit_auditevent SET actor = 'nobody' WHERE seal_number = 3", "is not what was sealed as number 3"),
        ("DELETE FROM audit_auditevent WHERE seal_number = 3", "number 3 is missing"),
        ("UPDATE audit_auditevent SET at = at + interval '1 second' WHERE seal_number = 5", "as number 5"),
    ],
)
def test_what_the_owner_of_the_database_changes_is_found(clinic: Organization, sql: str, named: str) -> None:
    record(clinic)
    audit.seal(organization_id=clinic.pk)
    as_owner(sql)
    assert any(named in found for found in audit.breaks(organization_id=clinic.pk))


def test_two_rows_that_change_places_are_found(clinic: Organization) -> None:
    record(clinic)
    audit.seal(organization_id=clinic.pk)
    as_owner("UPDATE audit_auditevent SET seal_number = 100 - seal_number WHERE seal_number IN (2, 3)")
    assert list(audit.breaks(organization_id=clinic.pk))


def test_a_person_has_one_name_in_the_audit_that_is_not_theirs() -> None:
    assert audit.patient_ref("key") == audit.patient_ref("key") != audit.patient_ref("other")
    assert b"key" not in audit.patient_ref("key")
