"""Walls, and whose EHR is calling: by issuer, by redirect path, by launch key."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("ehr", "0001_initial"),
    ]
    operations = [
        wall("ehr_ehrconnection", "ehr_launchattempt", "ehr_ehrsession", "ehr_chartreference"),
        crossing(
            "ehrc_connection_by_iss",
            "p_iss text",
            "TABLE (pk bigint, organization_id bigint)",
            "SELECT id, organization_id FROM ehr_ehrconnection WHERE canonical_iss = p_iss",
        ),
        crossing(
            "ehrc_connection_by_slug",
            "p_slug text",
            "TABLE (pk bigint, organization_id bigint)",
            "SELECT id, organization_id FROM ehr_ehrconnection WHERE slug = p_slug",
        ),
        crossing(
            "ehrc_launch_organization",
            "p_key text",
            "bigint",
            "SELECT organization_id FROM ehr_ehrsession WHERE launch_key = p_key",
        ),
    ]
