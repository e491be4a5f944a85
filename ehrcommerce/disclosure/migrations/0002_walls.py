"""Walls."""

from django.db import migrations

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("disclosure", "0001_initial"),
    ]
    operations = [
        wall("disclosure_consenttext", "disclosure_consent", "disclosure_disclosure"),
    ]
