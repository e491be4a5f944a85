"""Orders that wait for the catalog."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("ehr", "0011_refills"),
    ]

    operations = [
        migrations.CreateModel(
            name="WaitingOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("customer_key", models.CharField(max_length=64)),
                ("focus", models.CharField(max_length=64)),
                ("resource_type", models.CharField(max_length=32)),
                ("resource_id", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("revision", models.CharField(max_length=64)),
                ("since_at", models.DateTimeField()),
                ("tries", models.PositiveIntegerField(default=0)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="ehr.ehrconnection"
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
                "verbose_name": "order that waits for the catalog",
                "constraints": [models.UniqueConstraint(fields=("organization", "focus"), name="waiting_order_once")],
            },
        ),
        wall("ehr_waitingorder"),
    ]
