"""When the next fill of a medicine is due."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_return_refunds"),
        ("ehr", "0010_listening"),
        ("offers", "0010_fill_before"),
        ("orders", "0008_fills"),
    ]

    operations = [
        migrations.CreateModel(
            name="Refill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "number",
                    models.PositiveSmallIntegerField(help_text="Which fill it would be, the first one included."),
                ),
                (
                    "allowed",
                    models.PositiveSmallIntegerField(
                        help_text="How many the prescriber allowed when it was last read."
                    ),
                ),
                ("delivered_at", models.DateTimeField()),
                ("days_supply", models.PositiveSmallIntegerField()),
                ("transit_days", models.PositiveSmallIntegerField()),
                ("due_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for its day"),
                            ("offered", "Offered to the patient"),
                            ("ended", "No refill"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, default="", max_length=48)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "after",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="refill", to="orders.orderline"
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="offers.offer"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["organization", "due_at"], name="refill_due"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "offered", "ended"])), name="refill_state_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "offered"), _negated=True),
                            ("number__lte", models.F("allowed")),
                            _connector="OR",
                        ),
                        name="refill_offered_is_allowed",
                    ),
                ],
            },
        ),
        wall("ehr_refill"),
    ]
