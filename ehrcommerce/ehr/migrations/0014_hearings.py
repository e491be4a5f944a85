"""What a subscription is told, until it is counted."""

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("ehr", "0013_whom_to_call"),
    ]

    operations = [
        migrations.CreateModel(
            name="Hearing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=20)),
                (
                    "numbers",
                    models.TextField(blank=True, default="", help_text="Event numbers, with spaces between them."),
                ),
                ("dropped", models.PositiveIntegerField(default=0)),
                ("look", models.BooleanField(default=False, help_text="Something changed that was not named.")),
                ("in_error", models.BooleanField(default=False)),
                ("newest_at", models.DateTimeField(null=True)),
                ("heard_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="hearings", to="ehr.subscription"
                    ),
                ),
            ],
            options={"verbose_name": "notification that is not counted yet"},
        ),
        wall("ehr_hearing"),
    ]
