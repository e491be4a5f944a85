"""Questions of pharmacists, behind the walls from the first row on."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_agreement_registry"),
        ("fulfillment", "0006_tracking_index_built"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PharmacistQuestion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "asked",
                    models.CharField(
                        choices=[
                            ("dose", "dose"),
                            ("quantity", "quantity"),
                            ("substitution", "substitution"),
                            ("no_prescription", "no_prescription"),
                            ("other", "other"),
                        ],
                        max_length=20,
                    ),
                ),
                ("words", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                (
                    "answer",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("as_written", "as_written"),
                            ("new_prescription", "new_prescription"),
                            ("substitute", "substitute"),
                            ("stop", "stop"),
                        ],
                        max_length=20,
                    ),
                ),
                ("answer_words", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("asked_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "closed_at",
                    models.DateTimeField(help_text="The pharmacy has its answer, or does not ask any more.", null=True),
                ),
                (
                    "answered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="fulfillment.fulfillment",
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
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("fulfillment",),
                        name="question_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("asked__in", ("dose", "quantity", "substitution", "no_prescription", "other"))
                        ),
                        name="question_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("answer__in", ("", "as_written", "new_prescription", "substitute", "stop"))
                        ),
                        name="question_answer_known",
                    ),
                ],
            },
        ),
        wall("fulfillment_pharmacistquestion"),
    ]
