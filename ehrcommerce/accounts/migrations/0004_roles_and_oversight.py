"""Roles for support and fulfillment, and the books of what is looked at, forced open and done by two."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_prescription_age"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="read_only_since",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Set by `manage.py revoke_all`: nothing new is offered, opened or sent until it is lifted.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="role",
            field=models.CharField(
                choices=[
                    ("clinician", "Clinician"),
                    ("prescriber", "Prescriber"),
                    ("support", "Support"),
                    ("operations", "Operations"),
                    ("fulfillment", "Fulfillment"),
                    ("catalog", "Catalog"),
                    ("privacy", "Privacy officer"),
                    ("integration", "Integration"),
                    ("administrator", "Administrator"),
                ],
                default="clinician",
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="BreakGlass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("patient_asked", "The patient asked for help"),
                            ("delivery", "A parcel or message does not arrive"),
                            ("supplier_asked", "A supplier asked"),
                            ("safety", "Somebody could come to harm"),
                            ("outage", "A system is down and work must go on"),
                            ("investigation", "A report or an incident is looked into"),
                        ],
                        max_length=16,
                    ),
                ),
                ("note", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("began_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("verdict", models.CharField(blank=True, max_length=16)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "told",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "break-glass access",
                "verbose_name_plural": "break-glass accesses",
                "indexes": [models.Index(fields=["user", "began_at"], name="glass_user")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reviewed_by", None),
                            models.Q(("reviewed_by", models.F("user")), _negated=True),
                            _connector="OR",
                        ),
                        name="glass_not_own_judge",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProposedChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("kind", models.CharField(max_length=24)),
                ("entity", models.CharField(max_length=80)),
                ("diff", models.JSONField(default=list)),
                ("payload", ehrcommerce.vault.fields.SealedJson(blank=True, default=dict, editable=False)),
                ("before_digest", models.BinaryField(default=bytes, max_length=32)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waits for a second person"),
                            ("approved", "Approved"),
                            ("refused", "Refused"),
                            ("void", "Void: the row changed meanwhile"),
                            ("expired", "Expired"),
                            ("spent", "Approved and used"),
                        ],
                        default="open",
                        max_length=12,
                    ),
                ),
                ("proposed_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "proposed change",
                "verbose_name_plural": "proposed changes",
                "indexes": [models.Index(fields=["organization", "state"], name="proposal_state")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by", None),
                            ("state", "refused"),
                            models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="proposal_two_people",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("organization", "kind", "entity"),
                        name="proposal_one_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Reveal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("entity", models.CharField(max_length=80)),
                ("element", models.CharField(max_length=40)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("patient_asked", "The patient asked for help"),
                            ("delivery", "A parcel or message does not arrive"),
                            ("supplier_asked", "A supplier asked"),
                            ("safety", "Somebody could come to harm"),
                            ("outage", "A system is down and work must go on"),
                            ("investigation", "A report or an incident is looked into"),
                        ],
                        max_length=16,
                    ),
                ),
                ("note", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["user", "at"], name="reveal_user_at")],
            },
        ),
        wall("accounts_reveal", "accounts_breakglass", "accounts_proposedchange"),
    ]
