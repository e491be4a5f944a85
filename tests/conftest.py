"""The database as production sees it: the owner makes the tables, then every test works as the app's own role, which
row-level security holds."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import translation
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.ehr import backend_services, discovery
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.vault import walls
from ehrcommerce.wire import client
from tests import factories

APP_ROLE = walls.APP_ROLE
# Playwright keeps an event loop in this thread once a browser was asked for. Django would take every later test of this
# process for asynchronous code: refuse it the database, and keep a second set of connections for it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
connections._connections = threading.local()  # type: ignore[attr-defined]
# How long a draw or an example takes says how busy the machine is, not whether the property holds.
settings.register_profile("ehrc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ehrc")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """pytest-django's own, then a step down to the app's role; up again to remove the database."""
    as_owner, flush = dict(connection.settings_dict["OPTIONS"]), connection.ops.execute_sql_flush
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["OPTIONS"] = {**as_owner, "assume_role": APP_ROLE}
        connection.ops.execute_sql_flush = flush_as_owner  # type: ignore[method-assign]
    yield
    with django_db_blocker.unblock():
        connection.close()
        connection.settings_dict["OPTIONS"] = as_owner
        connection.ops.execute_sql_flush = flush  # type: ignore[method-assign]


def flush_as_owner(sql_list: Any) -> None:
    """After a transactional test. Only the owner may empty tables, and the audit lets itself be emptied by nobody."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_auditevent')")
        books = ["audit_auditgap", *(row[0] for row in cursor.fetchall())]
        for name in books:
            cursor.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        for sql in sql_list:
            cursor.execute(sql)
        for name in books:
            cursor.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        cursor.execute("SELECT set_config('ehrc.organization', '', false)")
        cursor.execute(f"SET ROLE {APP_ROLE}")


def hang_up() -> None:
    """Each test has partners of its own; their kept connections would be a thousand in the end."""
    with client._adapters_lock:
        for adapter in client._adapters.values():
            adapter.close()
        client._adapters.clear()


@pytest.fixture(autouse=True)
def outside_the_walls() -> Iterator[None]:
    """A test begins in no organization, and with nothing remembered of what EHRs published in an earlier one."""
    connection.ehrc_organization = None  # type: ignore[attr-defined]
    discovery.forget()
    backend_services.forget()
    translation.activate("en")  # a page that was asked for in Spanish leaves this thread in it
    yield
    hang_up()
    connection.ehrc_organization = None  # type: ignore[attr-defined]


@pytest.fixture
def clinic(db: None) -> Organization:
    """Where Ada works. Its walls are entered."""
    return factories.organization()


@pytest.fixture
def connection_row(clinic: Organization) -> EhrConnection:
    """The clinic's EHR, with an agreement in force."""
    return factories.ehr_connection(clinic)


@pytest.fixture
def ada(clinic: Organization) -> User:
    """The clinician."""
    return factories.clinician(clinic, subject="ada")
