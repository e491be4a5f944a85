"""Keys of organizations and orders, behind the walls."""

import django.db.models.functions.datetime
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [("vault", "0001_app_role")]
    operations = [
        migrations.CreateModel(
            name="DataKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("scope", models.UUIDField(unique=True)),
                ("organization_id", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(max_length=12, choices=[("organization", "organization"), ("order", "order")]),
                ),
                ("wrapped", models.BinaryField(default=b"", max_length=160)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("destroyed_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("destroyed_at", None), ("kind", "organization")),
                        fields=("organization_id",),
                        name="data_key_one_of_organization",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("destroyed_at", None), ("wrapped", b""), _connector="OR"),
                        name="data_key_destroyed_is_empty",
                    ),
                ],
            },
        ),
        wall("vault_datakey"),
    ]
