"""Walls, and whose session a cookie is."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("checkout", "0001_initial"),
    ]
    operations = [
        wall("checkout_checkoutsession"),
        crossing(
            "ehrc_checkout_organization",
            "p_hash bytea",
            "bigint",
            "SELECT organization_id FROM checkout_checkoutsession WHERE cookie_sha256 = p_hash",
        ),
    ]
