"""Walls, and the trigger that makes the audit append-only for everybody but its sealing."""

from django.db import migrations

from ehrcommerce.vault.walls import wall

APPEND_ONLY = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.seal_number IS NULL
       AND (to_jsonb(NEW) - 'seal' - 'seal_number') = (to_jsonb(OLD) - 'seal' - 'seal_number') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit rows are never changed or removed';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""
UNDO = """
DROP TRIGGER audit_append_only ON audit_auditevent;
DROP TRIGGER audit_no_truncate ON audit_auditevent;
DROP FUNCTION audit_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("audit", "0001_initial"),
    ]
    operations = [
        wall("audit_auditevent", "audit_auditcheck"),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
