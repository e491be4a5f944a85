"""Every table is behind the walls, or named here with its reason (docs/decisions/0003)."""

import pytest
from django.db import connection

OUTSIDE = {
    "django_session": "opaque keys, read before anybody is known",
    "django_migrations": "of the schema",
    "django_content_type": "names of models",
    "django_admin_log": "kept empty: the audit holds what happened",
    "auth_group": "names", "auth_permission": "names", "auth_group_permissions": "names",
    "otp_totp_totpdevice": "read to find out who signs in",
    "ehr_signingkey": "the app's own keys",
    "outbox_heartbeat": "of the installation: when the sweeper was last heard",
}  # fmt: skip


@pytest.mark.django_db
def test_every_table_is_walled_or_named_as_an_exception() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')"
        )
        tables = dict(cursor.fetchall())
    open_tables = {name for name, walled in tables.items() if not walled and not name.startswith("axes_")}
    assert open_tables == set(OUTSIDE)


@pytest.mark.django_db
def test_the_app_role_owns_no_table_and_cannot_pass_the_walls() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'ehrc_app'")
        assert cursor.fetchone() == (False, False)
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tableowner = 'ehrc_app'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("ehrc_app",)
