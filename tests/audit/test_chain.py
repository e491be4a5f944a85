"""What was done cannot be undone in the books, and who tries is found. [SEC-B12, REL-P36]"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from tests.factories import NOW, organization


def record(clinic: Organization, number: int = 5) -> None:
    for place in range(number):
        audit.record(organization_id=clinic.pk, by=audit.system("test"), action="a.b", entity=f"order:{place}", at=NOW)


def run(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


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


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_auditevent SET seal_number = 1, seal = 'x'",
        "DELETE FROM audit_auditevent",
        "TRUNCATE audit_auditevent",
        "ALTER TABLE audit_auditevent DISABLE TRIGGER USER",
        "UPDATE audit_auditroot SET number = 0",
        "DELETE FROM audit_auditroot",
    ],
)
def test_the_role_of_the_app_has_no_right_but_to_add(clinic: Organization, sql: str) -> None:
    record(clinic, 1)
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), transaction.atomic():
        run(sql)


@pytest.mark.parametrize(
    ("first", "ids"), [(2, [0]), (1, [0, 0]), (1, [999_999_999]), (0, [0])], ids=["gap", "twice", "foreign", "before"]
)
def test_the_sealing_function_seals_what_comes_next_and_nothing_else(
    clinic: Organization, first: int, ids: list[int]
) -> None:
    record(clinic, 1)
    pk = AuditEvent.objects.get().pk
    names = [one or pk for one in ids]
    with pytest.raises(DatabaseError, match="audit:"), transaction.atomic():
        run("SELECT ehrc_audit_seal(%s, %s, %s)", names, first, [b"x" * 32] * len(names))
    assert audit.seal(organization_id=clinic.pk) == 1


def test_a_row_of_another_clinic_is_not_sealed_from_here(clinic: Organization) -> None:
    record(clinic, 1)
    pk = AuditEvent.objects.get().pk
    organization()
    with pytest.raises(DatabaseError, match="audit:"), transaction.atomic():
        run("SELECT ehrc_audit_seal(%s, %s, %s)", [pk], 1, [b"x" * 32])


def test_a_row_that_was_put_into_the_chain_is_found(clinic: Organization) -> None:
    record(clinic)
    audit.seal(organization_id=clinic.pk)
    as_owner("UPDATE audit_auditevent SET seal_number = seal_number + 100 WHERE seal_number > 2")
    as_owner(
        "INSERT INTO audit_auditevent (organization_id, at, actor, action, entity, purpose, recipient, elements, outcome,"
        " reason, seal_number, seal) SELECT organization_id, at, 'nobody', action, entity, '', '', '', 'success', '', 3,"
        " seal FROM audit_auditevent WHERE seal_number = 2"
    )
    as_owner("UPDATE audit_auditevent SET seal_number = seal_number - 99 WHERE seal_number > 100")
    assert any("as number 3" in found for found in audit.breaks(organization_id=clinic.pk))


def test_two_rows_that_change_places_are_found(clinic: Organization) -> None:
    record(clinic)
    audit.seal(organization_id=clinic.pk)
    as_owner("UPDATE audit_auditevent SET seal_number = 100 - seal_number WHERE seal_number IN (2, 3)")
    assert list(audit.breaks(organization_id=clinic.pk))


def test_a_person_has_one_name_in_the_audit_that_is_not_theirs() -> None:
    assert audit.patient_ref("key") == audit.patient_ref("key") != audit.patient_ref("other")
    assert b"key" not in audit.patient_ref("key")
