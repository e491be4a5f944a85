"""Two clinics whose data mirror each other, in plain SQL as the app's role: every table, every chore, every kind of effect.
Nobody named, no rows; one named, none of the other's. [SEC-B13]"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ehrcommerce.outbox import handlers
from ehrcommerce.outbox.chores import CHORES
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt
from ehrcommerce.vault import walls
from tests.access.cast import World
from tests.house.test_walls import OUTSIDE

pytestmark = pytest.mark.usefixtures("db")


def tables() -> dict[str, str]:
    """Walled tables of ours -> the column that names the organization."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND"
            " a.attname = 'organization_id' AND NOT a.attisdropped) FROM pg_class c JOIN pg_namespace n ON"
            " n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relrowsecurity"
        )
        found = dict(cursor.fetchall())
    assert not set(found) & set(OUTSIDE)
    return {name: "organization_id" if has else "id" for name, has in found.items()}


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def own(table: str) -> str:
    """The organization of a row, also where the row itself is one or hangs on a user."""
    return {"accounts_organization": "id"}.get(table, "organization_id")


@pytest.fixture
def walled(world: World) -> Iterator[list[str]]:
    walls.leave()
    yield sorted(name for name, column in tables().items() if column == "organization_id" or own(name) == "id")
    walls.leave()


def test_nobody_named_no_rows(world: World, walled: list[str]) -> None:
    assert {name: ask(f"SELECT count(*) FROM {name}")[0][0] for name in tables()} == dict.fromkeys(tables(), 0)


def test_inside_one_clinic_no_row_of_the_other_is_there(world: World, walled: list[str]) -> None:
    crossed, seen = [], set()
    for mine in (world.here, world.there):
        number = mine.shop.clinic.pk
        with walls.organization(number):
            for name in walled:
                rows = ask(f"SELECT count(*), count(*) FILTER (WHERE {own(name)} <> {number}) FROM {name}")
                seen |= {name} if rows[0][0] else set()
                crossed += [name] if rows[0][1] else []
    assert crossed == []
    assert len(seen) > 20, "the twins hold too little to prove anything"


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "INSERT"])
def test_nothing_is_written_across(world: World, walled: list[str], verb: str) -> None:
    here, there = world.here.shop.clinic.pk, world.there.shop.clinic.pk
    wrote = []
    for name in walled:
        if name in ("audit_auditevent", "accounts_organization") and verb != "DELETE":
            continue
        with walls.organization(here):
            statement = {
                "UPDATE": f"UPDATE {name} SET {own(name)} = {own(name)} WHERE {own(name)} = {there}",
                "DELETE": f"DELETE FROM {name} WHERE {own(name)} = {there}",
                "INSERT": f"UPDATE {name} SET {own(name)} = {there}",  # a row of ours made one of theirs
            }[verb]
            with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
                wrote += [name] if cursor.rowcount else []
                transaction.set_rollback(True)
    assert wrote == []


@pytest.mark.parametrize("name", sorted(CHORES))
def test_a_chore_of_one_clinic_leaves_the_other_as_it_was(world: World, name: str) -> None:
    here, there = world.here.shop.clinic.pk, world.there.shop.clinic.pk
    before = fingerprint(there)
    with walls.organization(here), transaction.atomic():
        CHORES[name].work(here, timezone.now())
        assert walls.current() == here
        with walls.organization(there):
            assert fingerprint(there) == before
        transaction.set_rollback(True)


@pytest.mark.parametrize("kind", sorted(handlers._handlers))
def test_an_effect_is_looked_at_inside_its_own_walls(world: World, kind: str) -> None:
    """The handler of each kind, given a subject of the other clinic, finds nothing of it."""
    there, here = world.there.shop.clinic.pk, world.here.shop.clinic.pk
    before = fingerprint(there)
    with walls.organization(there):
        subjects = [row[0] for row in ask(f"SELECT subject FROM outbox_effect WHERE kind = '{kind}' LIMIT 2")]
    with transaction.atomic():
        with walls.organization(here):
            for subject in subjects or ["00000000-0000-0000-0000-000000000007"]:
                now = timezone.now()
                stray = Effect(
                    organization_id=here, kind=kind, subject=subject, generation=99, created_at=now, changed_at=now
                )
                with suppress(ObjectDoesNotExist, Halt), transaction.atomic():
                    handlers.handler_of(kind).prepare(stray)
        with walls.organization(there):
            assert fingerprint(there) == before
        transaction.set_rollback(True)


def fingerprint(number: int) -> dict[str, Any]:
    """What a clinic holds, counted and summed by the database."""
    with walls.organization(number):
        names = [name for name, column in tables().items() if column == "organization_id"]
        return {
            name: ask(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t")
            for name in names
        }
