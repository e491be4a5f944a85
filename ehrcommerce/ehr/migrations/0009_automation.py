"""What happens by itself: rules, and what followed from them."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_return_refunds"),
        ("ehr", "0008_hl7_feeds"),
        ("offers", "0009_by_rule"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AutomationRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(help_text="As clinicians and administrators read it.", max_length=80)),
                ("enabled", models.BooleanField(default=False)),
                ("since", models.DateTimeField(editable=False, null=True)),
                (
                    "place",
                    models.PositiveSmallIntegerField(
                        default=10, help_text="The rule with the lowest number is asked first."
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("draft", "Prepare it: the clinician sends it with one press"),
                            ("link", "Send the link by itself after the hold"),
                            ("kit", "Ship the kit by itself after the hold; the link where that is not allowed"),
                        ],
                        default="draft",
                        max_length=8,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("prescription", "Prescription"), ("device", "Device"), ("kit", "Specimen kit")],
                        max_length=16,
                    ),
                ),
                (
                    "skus",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Numbers of the catalog; KT-* is every number that begins so. Empty: all products.",
                        max_length=400,
                    ),
                ),
                (
                    "npis",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="NPIs of prescribers with spaces between. Empty: everybody's orders.",
                        max_length=400,
                    ),
                ),
                (
                    "hold_minutes",
                    models.PositiveSmallIntegerField(
                        default=15,
                        help_text="So long a clinician can undo it before anything goes out.",
                        validators=[django.core.validators.MaxValueValidator(10080)],
                    ),
                ),
                (
                    "routing_proof",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("e_prescription", "E-prescribed in the EHR, each of them"),
                            ("transfer", "The pharmacy asks for a transfer"),
                        ],
                        default="",
                        help_text="Empty: only prescriptions that need none are sent by themselves.",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "clinician",
                    models.ForeignKey(
                        blank=True,
                        help_text="In whose name links go out if the prescriber is not known here. Empty: they are prepared only.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        blank=True,
                        help_text="Orders of this EHR alone. Empty: of each.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ehr.ehrconnection",
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
                "verbose_name": "automation rule",
                "verbose_name_plural": "automation: what happens by itself",
            },
        ),
        migrations.CreateModel(
            name="AutomaticAct",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("customer_key", models.CharField(max_length=64)),
                ("order_key", models.CharField(max_length=64)),
                ("version", models.CharField(max_length=64)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("draft", "Prepare it: the clinician sends it with one press"),
                            ("link", "Send the link by itself after the hold"),
                            ("kit", "Ship the kit by itself after the hold; the link where that is not allowed"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits"),
                            ("prepared", "Prepared for the clinician"),
                            ("done", "Done"),
                            ("undone", "Undone"),
                            ("stopped", "Stopped by the chart"),
                            ("changed", "The order changed: another one took its place"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                (
                    "did",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("draft", "Prepare it: the clinician sends it with one press"),
                            ("link", "Send the link by itself after the hold"),
                            ("kit", "Ship the kit by itself after the hold; the link where that is not allowed"),
                        ],
                        default="",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, default="", max_length=48)),
                ("made_at", models.DateTimeField()),
                ("due_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, default="", max_length=80)),
                (
                    "clinician",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="ehr.ehrconnection"
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
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="acts", to="ehr.automationrule"
                    ),
                ),
            ],
            options={
                "verbose_name": "automatic act",
                "verbose_name_plural": "automation: what happened by itself",
            },
        ),
        migrations.AddConstraint(
            model_name="automationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["draft", "link", "kit"])), name="automation_rule_action_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="automationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("action", "kit"), _negated=True), ("kind", "kit"), _connector="OR"),
                name="automation_rule_ships_kits_alone",
            ),
        ),
        migrations.AddIndex(
            model_name="automaticact",
            index=models.Index(fields=["organization", "customer_key"], name="automatic_act_customer"),
        ),
        migrations.AddIndex(
            model_name="automaticact",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["organization", "due_at"], name="automatic_act_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="automaticact",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["changed", "stopped"]), _negated=True),
                fields=("organization", "order_key", "version"),
                name="automatic_act_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="automaticact",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "prepared", "done", "undone", "stopped", "changed"])),
                name="automatic_act_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="automaticact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "waiting"), _negated=True), ("due_at__isnull", False), _connector="OR"
                ),
                name="automatic_act_waits_until",
            ),
        ),
        wall("ehr_automationrule", "ehr_automaticact"),
    ]
