import uuid

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_rights"),
        ("disclosure", "0003_agreed_payload"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErasureRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("customer_key", models.CharField(max_length=64)),
                ("asked_by", models.CharField(max_length=80)),
                ("asked_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=64)),
                ("waits_for", models.CharField(blank=True, max_length=16)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("done_at", None)),
                        fields=("organization", "customer_key"),
                        name="erasure_request_one_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("customer_key", models.CharField(max_length=64)),
                (
                    "why",
                    models.CharField(help_text="The case or the law, without a word about the person.", max_length=120),
                ),
                ("placed_by", models.CharField(max_length=80)),
                ("placed_at", models.DateTimeField()),
                ("until", models.DateField(help_text="Empty: until somebody releases it.", null=True)),
                ("released_by", models.CharField(blank=True, max_length=80)),
                ("released_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "customer_key"], name="legal_hold_customer")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("released_at", None), ("released_by", "")),
                            ("released_at__isnull", False),
                            _connector="OR",
                        ),
                        name="legal_hold_released_by_somebody",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="PurgeCertificate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("rule", models.CharField(max_length=48)),
                ("kept", models.CharField(help_text="Names of the table's classes.", max_length=160)),
                ("rows", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "at"], name="purge_certificate_at")],
            },
        ),
        wall("disclosure_legalhold", "disclosure_purgecertificate", "disclosure_erasurerequest"),
    ]
