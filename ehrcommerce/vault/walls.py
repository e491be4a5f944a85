"""The walls between organizations, in the database itself: row-level security on every table of ours.

A connection sees the rows of one organization, named by `ehrc.organization`; nobody named, no rows (fail closed).
What must cross (opening a link by its hash, claiming an effect) is a function that the owner defined, one narrow
question each. Migrations call `wall(...)`, code enters with `organization(...)`."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.migrations.operations import RunSQL

APP_ROLE = "ehrc_app"


def enter(organization_id: int | None) -> None:
    """Name the organization for this connection until `leave` or another `enter`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('ehrc.organization', %s, false)", [str(organization_id or "")])
    if getattr(connection, "ehrc_organization", None) != organization_id:
        connection.ehrc_keys = OrderedDict()  # type: ignore[attr-defined]  # unwrapped keys stay inside (envelopes.py)
    connection.ehrc_organization = organization_id  # type: ignore[attr-defined]
    connection.ehrc_session = connection.connection  # type: ignore[attr-defined]


def leave() -> None:
    """See nothing again. Inside a broken transaction the coming rollback does it."""
    inside_broken = connection.in_atomic_block and connection.needs_rollback
    if connection.connection is None or connection.connection.closed or inside_broken:
        connection.ehrc_keys = OrderedDict()  # type: ignore[attr-defined]
        connection.ehrc_organization = None  # type: ignore[attr-defined]
        return
    enter(None)


def current() -> int | None:
    """The organization whose rows this connection sees. A session that took the place of a lost one sees none, though
    this thread once entered: whoever trusted the memory would find no row of its own, and say nothing."""
    session = connection.connection
    entered_here = session is not None and getattr(connection, "ehrc_session", session) is session
    return getattr(connection, "ehrc_organization", None) if entered_here else None


@contextmanager
def organization(organization_id: int) -> Iterator[None]:
    """Work on the rows of one organization, then stand where one stood before."""
    before = current()
    if before == organization_id:
        yield
        return
    enter(organization_id)
    try:
        yield
    finally:
        leave() if before is None else enter(before)


def wall(*tables: str, column: str = "organization_id") -> RunSQL:
    """The migration operation that shuts these tables: rows of the named organization, for reading and writing."""
    forward = "".join(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY organization ON {table} USING ({column} = ehrc_organization())"
        f" WITH CHECK ({column} = ehrc_organization());"
        for table in tables
    )
    backward = "".join(
        f"DROP POLICY organization ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;" for table in tables
    )
    return RunSQL(forward, backward)


def crossing(name: str, arguments: str, returns: str, body: str, *, language: str = "sql") -> RunSQL:
    """A function that looks over the walls for one narrow question. Runs as the owner, callable by the app alone."""
    bare = ", ".join(
        part.strip().split(" ", 1)[1].split(" DEFAULT ")[0] for part in arguments.split(",") if part.strip()
    )
    return RunSQL(
        f"CREATE FUNCTION {name}({arguments}) RETURNS {returns} LANGUAGE {language} SECURITY DEFINER"
        f" SET search_path = public, pg_temp AS $body$ {body} $body$;"
        f"REVOKE ALL ON FUNCTION {name}({bare}) FROM PUBLIC;"
        f"GRANT EXECUTE ON FUNCTION {name}({bare}) TO {APP_ROLE};",
        f"DROP FUNCTION {name}({bare});",
    )
