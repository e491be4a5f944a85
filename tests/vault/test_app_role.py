"""The role of the app belongs to the server, not to one database: whoever migrates another database of the same server at
the same moment must not fail over it."""

import importlib
import threading
from collections.abc import Iterator

import psycopg
import pytest

from ehrcommerce.workbench.fixtures import STACK
from ehrcommerce.workbench.services import Postgres
from ehrcommerce.workbench.stack import Stack

ROLE, OWNER = "ehrc_app_of_two", "ehrc_owner"
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


@pytest.fixture
def stack(pytestconfig: pytest.Config) -> Stack:
    return pytestconfig.stash[STACK]


@pytest.fixture
def server(stack: Stack) -> Iterator[Postgres]:
    server = stack.postgres
    name = f"two{stack.suffix}"
    server.create_database(name, owner=OWNER)
    yield server
    server.drop_database(name)
    with psycopg.connect(server.superuser_url, autocommit=True) as clerk:
        clerk.execute(f"DROP ROLE IF EXISTS {ROLE}")


def test_two_databases_of_one_server_are_migrated_at_the_same_moment(server: Postgres, stack: Stack) -> None:
    migration = importlib.import_module("ehrcommerce.vault.migrations.0001_app_role")
    words = migration.ROLE.replace("ehrc_app", ROLE).partition("GRANT USAGE")[0]
    url = server.url(f"two{stack.suffix}")
    failed: list[Exception] = []
    with psycopg.connect(server.superuser_url) as first, psycopg.connect(url, autocommit=True) as second:

        def migrate() -> None:
            try:
                second.execute(words)
            except psycopg.Error as problem:
                failed.append(problem)

        first.execute(f"CREATE ROLE {ROLE} NOLOGIN")  # not committed: the other one does not see it yet
        other = threading.Thread(target=migrate)
        other.start()
        with psycopg.connect(server.superuser_url, autocommit=True) as clerk:
            pid = second.info.backend_pid
            while other.is_alive() and clerk.execute(BLOCKED, [pid]).fetchone() == (0,):
                threading.Event().wait(0.02)
        first.commit()
        other.join(30)
    assert failed == []
