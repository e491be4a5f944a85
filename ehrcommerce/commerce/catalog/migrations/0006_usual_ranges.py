"""What is usual for a product."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_mapping_confidence"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsualRange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "measure",
                    models.CharField(
                        choices=[
                            ("dose", "single dose"),
                            ("daily", "dose of a day"),
                            ("quantity", "quantity"),
                            ("days", "days of supply"),
                        ],
                        max_length=8,
                    ),
                ),
                ("low", models.DecimalField(decimal_places=4, max_digits=12)),
                ("high", models.DecimalField(decimal_places=4, max_digits=12)),
                (
                    "unit",
                    models.CharField(
                        blank=True, help_text="mcg, mg, g, mL, tablet, capsule ...; days need none.", max_length=20
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="usual_ranges", to="catalog.product"
                    ),
                ),
            ],
            options={
                "verbose_name": "usual range",
                "constraints": [
                    models.UniqueConstraint(fields=("product", "measure", "unit", "low"), name="usual_range_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("high__gte", models.F("low")),
                            ("low__gte", 0),
                            ("measure__in", ["dose", "daily", "quantity", "days"]),
                        ),
                        name="usual_range_sound",
                    ),
                ],
            },
        ),
        wall("catalog_usualrange"),
    ]
