"""How often a prescription was sold, under a CHECK."""

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_return_refunds"),
        ("orders", "0007_returns"),
    ]

    operations = [
        migrations.CreateModel(
            name="Fill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order_key", models.CharField(max_length=64)),
                ("number", models.PositiveSmallIntegerField()),
                ("allowed", models.PositiveSmallIntegerField()),
                ("taken_at", models.DateTimeField()),
                ("released_at", models.DateTimeField(help_text="The order ended without it: free again.", null=True)),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="fill", to="orders.orderline"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("released_at", None)),
                        fields=("organization", "order_key", "number"),
                        name="fill_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1), ("number__lte", models.F("allowed"))),
                        name="fill_allowed",
                    ),
                ],
            },
        ),
        wall("orders_fill"),
    ]
