"""Walls, and what must be known before an organization is: who signs in, and which organizations there are."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall

MEMBERSHIP = "".join(
    f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY organization ON {table} USING (EXISTS"
    f" (SELECT 1 FROM accounts_user u WHERE u.id = user_id AND u.organization_id = ehrc_organization()));"
    for table in ("accounts_user_groups", "accounts_user_user_permissions")
)
MEMBERSHIP_UNDO = "".join(
    f"DROP POLICY organization ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
    for table in ("accounts_user_groups", "accounts_user_user_permissions")
)


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("accounts", "0001_initial"),
    ]
    operations = [
        wall("accounts_user", "accounts_agreement"),
        wall("accounts_organization", column="id"),
        migrations.RunSQL(MEMBERSHIP, MEMBERSHIP_UNDO),
        crossing("ehrc_organizations", "", "SETOF bigint", "SELECT id FROM accounts_organization ORDER BY id"),
        crossing(
            "ehrc_user_for_login",
            "p_username text",
            "SETOF accounts_user",
            "SELECT * FROM accounts_user WHERE username = p_username AND subject = ''",
        ),
        crossing("ehrc_user", "p_id bigint", "SETOF accounts_user", "SELECT * FROM accounts_user WHERE id = p_id"),
    ]
