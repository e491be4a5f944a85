"""Walls."""

from django.db import migrations

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("catalog", "0001_initial"),
    ]
    operations = [
        wall("catalog_product", "catalog_productcode", "catalog_unmappedcode"),
    ]
