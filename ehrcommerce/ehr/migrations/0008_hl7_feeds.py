"""Who sends HL7 v2 messages, and how a sender is found before its organization is known."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

from ehrcommerce.vault.walls import crossing, wall

SCHEMES = [
    ("r5_backport", "FHIR Subscription, R5 backport; a secret header"),
    ("rest_hook", "FHIR R4 rest-hook without payload; a secret header"),
    ("medplum", "Medplum; HMAC over the body"),
    ("athenahealth", "athenahealth; WebSub signature"),
    ("vendor_webhook", "Signed webhook: HMAC over id, time and body"),
    ("hl7_v2", "HL7 v2 messages, by MLLP or as files"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("ehr", "0007_managed_subscriptions"),
    ]

    operations = [
        migrations.AlterField(
            model_name="subscription",
            name="scheme",
            field=models.CharField(choices=SCHEMES, default="r5_backport", max_length=16),
        ),
        migrations.CreateModel(
            name="Hl7Feed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(help_text="As your interface engineer knows it.", max_length=80)),
                ("enabled", models.BooleanField(default=False)),
                (
                    "senders",
                    models.TextField(
                        help_text="Sending application and facility (MSH-3, MSH-4), e.g. EPIC|MAIN; one a line."
                    ),
                ),
                (
                    "certificates",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="SHA-256 of the sender's client certificate; two while one takes over.",
                        max_length=200,
                    ),
                ),
                (
                    "networks",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="From where it connects, e.g. 10.1.2.0/28; with spaces between.",
                        max_length=200,
                    ),
                ),
                (
                    "folder",
                    models.SlugField(
                        blank=True,
                        default="",
                        help_text="Where its files come, below the directory of hl7_files.",
                        max_length=40,
                    ),
                ),
                (
                    "order_id_at",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Where the FHIR id of an order stands, e.g. ORC-2.1. Empty: it stands nowhere; each message"
                        " starts a look at what changed.",
                        max_length=12,
                    ),
                ),
                (
                    "patient_ids_are_fhir",
                    models.BooleanField(
                        default=False,
                        help_text="PID-3 and MRG-1 hold the FHIR id of the patient. Off: a merge starts a look at everything.",
                    ),
                ),
                (
                    "patient_authority",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Which identifier of several: its assigning authority (CX.4.1).",
                        max_length=40,
                    ),
                ),
                (
                    "charset",
                    models.CharField(
                        blank=True, default="", help_text="Where MSH-18 is empty. Empty: ASCII.", max_length=16
                    ),
                ),
                (
                    "processing_ids",
                    models.CharField(
                        default="P", help_text="MSH-11: P production, T training, D debugging.", max_length=8
                    ),
                ),
                (
                    "refused",
                    models.PositiveBigIntegerField(default=0, help_text="Messages that were answered AE or AR."),
                ),
                ("refused_kinds", models.JSONField(blank=True, default=dict)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="ehr.ehrconnection"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "subscription",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="feed",
                        to="ehr.subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "HL7 v2 feed",
                "verbose_name_plural": "HL7 v2 feeds",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("folder", ""), _negated=True), fields=("folder",), name="hl7_feed_folder"
                    )
                ],
            },
        ),
        wall("ehr_hl7feed"),
        crossing(
            "ehrc_hl7_feeds",
            "p_certificate text, p_address inet, p_folder text",
            "TABLE (pk bigint, organization_id bigint)",
            "SELECT id, organization_id FROM ehr_hl7feed WHERE enabled AND CASE WHEN p_folder <> '' THEN folder = p_folder"
            " ELSE (certificates <> '' OR networks <> '')"
            " AND (certificates = '' OR (p_certificate <> '' AND position(p_certificate in certificates) > 0))"
            " AND (networks = '' OR p_address <<= ANY (string_to_array(networks, ' ')::inet[])) END",
        ),
    ]
