"""The inbox of what EHRs tell us, who may tell it, and how far we looked ourselves; behind the walls."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import crossing, wall


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_rights"),
        ("ehr", "0003_connection_knobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="chartreference",
            name="named_at",
            field=models.DateTimeField(help_text="meta.lastUpdated of the newer one that the EHR named.", null=True),
        ),
        migrations.AddField(
            model_name="chartreference",
            name="named_version",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text='A newer one that the EHR named; "": none.',
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="chartreference",
            name="stale_since",
            field=models.DateTimeField(help_text="Since when the EHR answers with an older version.", null=True),
        ),
        migrations.AddField(
            model_name="chartreference",
            name="version_at",
            field=models.DateTimeField(help_text="meta.lastUpdated of the newest version that was read.", null=True),
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("hook_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "scheme",
                    models.CharField(
                        choices=[
                            ("r5_backport", "FHIR Subscription, R5 backport; a secret header"),
                            ("rest_hook", "FHIR R4 rest-hook without payload; a secret header"),
                            ("medplum", "Medplum; HMAC over the body"),
                            ("athenahealth", "athenahealth; WebSub signature"),
                            ("vendor_webhook", "Signed webhook: HMAC over id, time and body"),
                        ],
                        default="r5_backport",
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("active", "Active"),
                            ("silent", "Silent"),
                            ("error", "Error"),
                            ("off", "Off"),
                        ],
                        default="requested",
                        max_length=12,
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="What the EHR calls it, e.g. Subscription/17; empty: any.",
                        max_length=200,
                    ),
                ),
                ("topic", models.CharField(blank=True, default="", max_length=255)),
                (
                    "resource_types",
                    models.CharField(default="MedicationRequest DeviceRequest ServiceRequest Patient", max_length=200),
                ),
                ("header_name", models.CharField(default="X-Ehrcommerce-Secret", max_length=64)),
                ("secret", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("previous_secret", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                (
                    "counted",
                    models.BooleanField(default=True, help_text="Off where the EHR's event numbers do not form a row."),
                ),
                ("last_number", models.CharField(blank=True, default="", max_length=40)),
                ("newest_event_at", models.DateTimeField(blank=True, null=True)),
                ("gap_since", models.DateTimeField(blank=True, null=True)),
                ("gap_from", models.CharField(blank=True, default="", max_length=40)),
                ("gap_to", models.CharField(blank=True, default="", max_length=40)),
                ("gaps", models.PositiveIntegerField(default=0)),
                ("resets", models.PositiveIntegerField(default=0)),
                (
                    "refused",
                    models.PositiveBigIntegerField(default=0, help_text="Notifications whose sender was not proved."),
                ),
                (
                    "dropped",
                    models.PositiveBigIntegerField(default=0, help_text="Events about something that is not ours."),
                ),
                (
                    "heartbeat_s",
                    models.PositiveIntegerField(default=0, help_text="How often the EHR promised to be heard; 0: not."),
                ),
                (
                    "quiet_after_s",
                    models.PositiveIntegerField(
                        default=0, help_text="No news for so many seconds is an alert; 0: silence says nothing."
                    ),
                ),
                ("heard_at", models.DateTimeField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("budget_from", models.DateTimeField(blank=True, null=True)),
                ("budget_used", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscriptions",
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
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("dedupe_sha256", models.BinaryField(max_length=32)),
                ("resource_type", models.CharField(max_length=32)),
                ("focus", models.CharField(max_length=64)),
                ("resource_id", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("number", models.CharField(blank=True, default="", max_length=40)),
                ("version", models.CharField(blank=True, default="", max_length=64)),
                ("version_at", models.DateTimeField(null=True)),
                ("event_at", models.DateTimeField(null=True)),
                ("received_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("unknown", "about nothing of ours"),
                            ("left", "left to the next sweep"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("taken_until", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
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
                (
                    "subscription",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="ehr.subscription"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PollingWatermark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "resource_type",
                    models.CharField(
                        choices=[
                            ("MedicationRequest", "MedicationRequest"),
                            ("DeviceRequest", "DeviceRequest"),
                            ("ServiceRequest", "ServiceRequest"),
                        ],
                        max_length=32,
                    ),
                ),
                ("since_at", models.DateTimeField()),
                ("every_s", models.PositiveIntegerField(default=300)),
                ("overlap_s", models.PositiveIntegerField(default=120)),
                ("next_at", models.DateTimeField()),
                ("polled_at", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("code", models.CharField(blank=True, default="", max_length=64)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="watermarks", to="ehr.ehrconnection"
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
                "constraints": [models.UniqueConstraint(fields=("connection", "resource_type"), name="watermark_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["requested", "active", "silent", "error", "off"])),
                name="subscription_state_known",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["connection", "id"], name="notification_waiting"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["organization", "received_at"], name="notification_received"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["subscription", "number"], name="notification_number"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("connection", "dedupe_sha256"), name="notification_once"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "done", "unknown", "left"])),
                name="notification_state_known",
            ),
        ),
        wall("ehr_subscription", "ehr_notification", "ehr_pollingwatermark"),
        crossing(
            "ehrc_ehr_hook",
            "p_hook uuid",
            "TABLE (pk bigint, organization_id bigint)",
            "SELECT id, organization_id FROM ehr_subscription WHERE hook_id = p_hook AND enabled",
        ),
    ]
