"""Walls for what partners tell us by file and of messages."""

from django.db import migrations

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [("suppliers", "0003_reach")]
    operations = [
        wall(
            "suppliers_partnerhealth", "suppliers_optout", "suppliers_messagenews", "suppliers_fileout",
            "suppliers_filein", "suppliers_fileack",
        )
    ]
