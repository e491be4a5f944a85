"""CDS Hooks: who may call, calls that were heard, cards and what became of them."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_agreement_registry"),
        ("ehr", "0004_events"),
    ]

    operations = [
        migrations.AddField(
            model_name="ehrsession",
            name="from_card",
            field=models.BooleanField(db_default=False, default=False, help_text="A card of CDS Hooks opened it."),
        ),
        migrations.AlterField(
            model_name="ehrsession",
            name="focus",
            field=ehrcommerce.vault.fields.SealedText(
                blank=True, default="", editable=False, help_text="References of fhirContext or of a card, one a line."
            ),
        ),
        migrations.CreateModel(
            name="AppContext",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("handle_sha256", models.BinaryField(max_length=32, unique=True)),
                ("hook", models.CharField(max_length=16)),
                ("patient_digest", models.BinaryField(max_length=32)),
                ("user_digest", models.BinaryField(max_length=32)),
                (
                    "orders",
                    ehrcommerce.vault.fields.SealedJson(
                        blank=True,
                        default=dict,
                        editable=False,
                        help_text="Type/id of the orders that the card spoke of.",
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
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
        ),
        migrations.CreateModel(
            name="HookClient",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("enabled", models.BooleanField(default=False)),
                (
                    "hooks",
                    models.CharField(
                        default="order-sign",
                        help_text="Of order-sign, order-select, order-dispatch and patient-view those that are answered.",
                        max_length=120,
                    ),
                ),
                ("issuer", models.CharField(help_text="`iss` of its signed calls, letter by letter.", max_length=255)),
                (
                    "jku",
                    models.CharField(
                        help_text="Where its keys are published: on the EHR's own or one of its further origins.",
                        max_length=255,
                    ),
                ),
                (
                    "algs",
                    models.CharField(default="ES384 RS384", help_text="Signatures that are accepted.", max_length=60),
                ),
                (
                    "tenant",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="`tenant` of its calls, where one CDS client serves several.",
                        max_length=255,
                    ),
                ),
                (
                    "connection",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="hook_client", to="ehr.ehrconnection"
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
                "verbose_name": "CDS Hooks client",
                "verbose_name_plural": "CDS Hooks clients",
            },
        ),
        migrations.CreateModel(
            name="HookFeedback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("outcome", models.CharField(max_length=10)),
                ("outcome_at", models.DateTimeField()),
                ("heard_at", models.DateTimeField()),
                (
                    "card",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="feedback", to="ehr.appcontext"
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
                "constraints": [
                    models.UniqueConstraint(fields=("card", "outcome", "outcome_at"), name="hook_feedback_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="HookToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("jti_sha256", models.BinaryField(max_length=32)),
                ("until", models.DateTimeField()),
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
                "constraints": [models.UniqueConstraint(fields=("connection", "jti_sha256"), name="hook_token_once")],
            },
        ),
        wall("ehr_appcontext", "ehr_hookclient", "ehr_hookfeedback", "ehr_hooktoken"),
    ]
