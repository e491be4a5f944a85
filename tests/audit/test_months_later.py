"""A database from before the parts keeps its rows, their numbers and their seals when it is migrated."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from ehrcommerce.audit import services as audit

BEFORE, NAME = "before", "ehrc_before_months"
COLUMNS = (
    "id, organization_id, at, actor, action, entity, purpose, recipient, elements, outcome, reason, patient_ref, cause"
)


@pytest.fixture
def earlier(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
    """An empty database of the version before, and the way to the newest."""
    with django_db_blocker.unblock():
        default = connections["default"]
        name = f"{NAME}_{default.settings_dict['NAME']}"[-60:].lower()
        options = {k: v for k, v in default.settings_dict["OPTIONS"].items() if k != "assume_role"}
        connections.databases[BEFORE] = {**default.settings_dict, "NAME": name, "OPTIONS": options}
        with default._nodb_cursor() as cursor:
            cursor.execute("RESET ROLE")
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}"')
        try:
            MigrationExecutor(connections[BEFORE]).migrate([("audit", "0004_search_indexes")])
            yield connections[BEFORE]
        finally:
            connections[BEFORE].close()
            del connections[BEFORE], connections.databases[BEFORE]
            with default._nodb_cursor() as cursor:
                cursor.execute("RESET ROLE")
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')


def fill(cursor: Any) -> list[tuple[Any, ...]]:
    """Two chains of several months, some rows not yet sealed."""
    cursor.execute(
        f"INSERT INTO audit_auditevent ({COLUMNS.removeprefix('id, ')})"
        " SELECT 1 + n % 2, '2025-01-15'::timestamptz + n * interval '9 days', 'user:ada', 'chart.read', 'launch:' || n,"
        " 'prescription', '', 'Patient.birthDate', 'success', '', sha256(n::text::bytea), '' FROM generate_series(1, 60) n"
    )
    for organization_id in (1, 2):
        cursor.execute(
            f"SELECT {COLUMNS} FROM audit_auditevent WHERE organization_id = %s ORDER BY id LIMIT 25", [organization_id]
        )
        previous = audit.GENESIS
        for number, row in enumerate(cursor.fetchall(), start=1):
            previous = audit.link(previous, number, row)
            cursor.execute(
                "UPDATE audit_auditevent SET seal_number = %s, seal = %s WHERE id = %s", [number, previous, row[0]]
            )
    cursor.execute("SELECT * FROM audit_auditevent ORDER BY id")
    return list(cursor.fetchall())


def chain(cursor: Any, organization_id: int) -> int:
    """Walk it by hand; returns how far it is sound."""
    cursor.execute(
        f"SELECT seal_number, seal, {COLUMNS} FROM audit_auditevent WHERE organization_id = %s AND seal_number > 0"
        " ORDER BY seal_number", [organization_id],
    )  # fmt: skip
    previous, length = audit.GENESIS, 0
    for number, seal, *row in cursor.fetchall():
        assert (number, bytes(seal)) == (length + 1, audit.link(previous, number, row))
        previous, length = bytes(seal), number
    return length


def test_rows_numbers_and_seals_are_as_they_were_and_the_chain_goes_on(earlier: Any) -> None:
    with earlier.cursor() as cursor:
        was = fill(cursor)
    executor = MigrationExecutor(earlier)
    executor.migrate([one for one in executor.loader.graph.leaf_nodes() if one[0] == "audit"])
    with earlier.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_auditevent ORDER BY id")
        assert cursor.fetchall() == was
        assert [chain(cursor, one) for one in (1, 2)] == [25, 25]
        # The app goes on: a new row has a new id and stands in its month's part, both ways of sealing work.
        cursor.execute("SET ROLE ehrc_app; SELECT set_config('ehrc.organization', '1', false)")
        later = datetime.now(UTC) + timedelta(days=62)
        cursor.execute(
            "INSERT INTO audit_auditevent (organization_id, at, actor, action, entity, purpose, recipient, elements,"
            " outcome, reason) VALUES (1, %s, 'a', 'b', 'c', '', '', '', '', '') RETURNING id, tableoid::regclass::text",
            [later],
        )
        new_id, part = cursor.fetchone()
        assert new_id > max(row[0] for row in was)
        assert part == f"audit_auditevent_{later:%Y_%m}"
        for arguments in ("%s, %s", "%s"):  # with the time of each row, and as code from before calls it
            cursor.execute(f"SELECT {COLUMNS} FROM audit_auditevent WHERE seal_number IS NULL ORDER BY id LIMIT 3")
            rows = cursor.fetchall()
            number = chain(cursor, 1)
            cursor.execute("SELECT seal FROM audit_auditevent WHERE seal_number = %s", [number])
            previous, seals = bytes(cursor.fetchone()[0]), []
            for place, row in enumerate(rows, start=1):
                previous = audit.link(previous, number + place, row)
                seals.append(previous)
            given = [[row[0] for row in rows], [row[2] for row in rows]][: arguments.count("%s")]
            cursor.execute(f"SELECT ehrc_audit_seal({arguments}, %s, %s)", [*given, number + 1, seals])
        assert chain(cursor, 1) == 31
        cursor.execute("RESET ROLE")
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND NOT relrowsecurity")
        assert cursor.fetchall() == []


def test_a_new_installation_has_no_part_of_the_past(earlier: Any) -> None:
    executor = MigrationExecutor(earlier)
    executor.migrate([one for one in executor.loader.graph.leaf_nodes() if one[0] == "audit"])
    with earlier.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
        names = {row[0] for row in cursor.fetchall()}
    assert len(names) == 5
    assert not any("until" in name or "before" in name for name in names)
