"""Append-only by role as well as by trigger: the app may add rows and read them; a seal is set by the owner's function
alone. With it, the root of each day."""

from django.db import migrations, models

from ehrcommerce.vault.walls import crossing, wall

SEAL = """
DECLARE
    mine bigint := ehrc_organization();
    stands bigint;
    moved bigint;
BEGIN
    SELECT COALESCE(max(seal_number), 0) INTO stands FROM audit_auditevent WHERE organization_id = mine;
    IF mine IS NULL OR first_number IS DISTINCT FROM stands + 1 THEN
        RAISE EXCEPTION 'audit: the chain goes on after its last seal, inside the walls';
    END IF;
    UPDATE audit_auditevent AS event SET seal_number = first_number + one.place - 1, seal = one.seal
        FROM unnest(ids, seals) WITH ORDINALITY AS one(id, seal, place)
        WHERE event.id = one.id AND event.organization_id = mine AND event.seal_number IS NULL;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(ids) THEN
        RAISE EXCEPTION 'audit: only rows of this organization without a seal are sealed';
    END IF;
    RETURN moved;
END
"""
RIGHTS = """
REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON audit_auditevent, audit_auditroot FROM ehrc_app;
CREATE FUNCTION audit_root_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit roots are never changed or removed';
END $$;
CREATE TRIGGER audit_root_stays BEFORE UPDATE OR DELETE ON audit_auditroot
    FOR EACH ROW EXECUTE FUNCTION audit_root_stays();
"""
UNDO = """
DROP TRIGGER audit_root_stays ON audit_auditroot;
DROP FUNCTION audit_root_stays();
GRANT UPDATE, DELETE ON audit_auditevent, audit_auditroot TO ehrc_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_walls"),
    ]
    operations = [
        migrations.AddField(
            "auditevent", "cause", models.CharField(blank=True, db_default="", default="", max_length=48)
        ),
        migrations.CreateModel(
            name="AuditRoot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("day", models.DateField()),
                ("number", models.BigIntegerField()),
                ("seal", models.BinaryField(max_length=32)),
                ("root", models.BinaryField(max_length=32)),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["organization_id", "day"], name="audit_one_root_a_day")
                ],
            },
        ),
        wall("audit_auditroot"),
        crossing(
            "ehrc_audit_seal", "ids bigint[], first_number bigint, seals bytea[]", "bigint", SEAL, language="plpgsql"
        ),
        migrations.RunSQL(RIGHTS, UNDO),
    ]
