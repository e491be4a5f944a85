"""Walls, and whose supplier a callback comes from."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("suppliers", "0001_initial"),
    ]
    operations = [
        wall("suppliers_supplier", "suppliers_callbackseen"),
        crossing(
            "ehrc_supplier_organization",
            "p_id uuid",
            "bigint",
            "SELECT organization_id FROM suppliers_supplier WHERE public_id = p_id",
        ),
    ]
