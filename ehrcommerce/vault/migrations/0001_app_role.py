"""The role that the running app has, and the question "whose rows may be seen?" that every wall asks."""

from django.db import migrations

ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'ehrc_app') THEN
        BEGIN
            CREATE ROLE ehrc_app NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this server is migrated at this moment
        WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'The owner may not create roles. Ask your database administrator for: CREATE ROLE ehrc_app NOLOGIN; GRANT ehrc_app TO the login of DATABASE_URL;';
        END;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'ehrc_login') THEN
        GRANT ehrc_app TO ehrc_login;
    END IF;
    BEGIN
        EXECUTE format('GRANT ehrc_app TO %I', current_user);
    EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation THEN
        NULL;  -- an owner that need not step down to the app's role (only tests do)
    END;
END $$;
GRANT USAGE ON SCHEMA public TO ehrc_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ehrc_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ehrc_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ehrc_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO ehrc_app;
CREATE FUNCTION ehrc_organization() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT NULLIF(current_setting('ehrc.organization', true), '')::bigint $$;
"""
UNDO = """
DROP FUNCTION ehrc_organization();
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM ehrc_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM ehrc_app;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM ehrc_app;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM ehrc_app;
REVOKE ALL ON SCHEMA public FROM ehrc_app;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunSQL(ROLE, UNDO)]
