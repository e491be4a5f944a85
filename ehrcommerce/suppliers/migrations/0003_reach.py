"""How partners of every kind are reached, how calls to them go, and what they tell by file and of messages."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import ehrcommerce.vault.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_prescription_age"),
        ("suppliers", "0002_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="supplier",
            name="account",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="supplier",
            name="at_once",
            field=models.PositiveSmallIntegerField(db_default=4, default=4),
        ),
        migrations.AddField(
            model_name="supplier",
            name="ca_pem",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="supplier",
            name="callback_certificates",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="supplier",
            name="client_pem",
            field=ehrcommerce.vault.fields.SealedText(blank=True, default=None, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="supplier",
            name="escalation",
            field=models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
        migrations.AddField(
            model_name="supplier",
            name="host_key",
            field=models.CharField(blank=True, db_default="", default="", max_length=1024),
        ),
        migrations.AddField(
            model_name="supplier",
            name="options",
            field=models.JSONField(
                blank=True, db_default=models.Value({}, output_field=models.JSONField()), default=dict
            ),
        ),
        migrations.AddField(
            model_name="supplier",
            name="owner",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="supplier",
            name="page_origin",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="supplier",
            name="runbook_url",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
        ),
        migrations.AddField(
            model_name="supplier",
            name="sender",
            field=models.CharField(blank=True, db_default="", default="", max_length=254),
        ),
        migrations.CreateModel(
            name="FileAck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("reference", models.UUIDField()),
                ("sku", models.CharField(max_length=64)),
                ("status", models.CharField(max_length=24)),
                ("reason", models.CharField(blank=True, max_length=24)),
                ("carrier", models.CharField(blank=True, max_length=60)),
                ("tracking_number", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("row_digest", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "supplier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="suppliers.supplier"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["supplier", "reference"], name="file_ack_of")],
                "constraints": [models.UniqueConstraint(fields=("supplier", "row_digest"), name="file_ack_once")],
            },
        ),
        migrations.CreateModel(
            name="FileIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120)),
                ("file_digest", models.BinaryField(max_length=32)),
                ("taken", models.PositiveIntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=200)),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "supplier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="suppliers.supplier"
                    ),
                ),
            ],
            options={
                "verbose_name": "file of a partner",
                "verbose_name_plural": "files of partners",
                "indexes": [models.Index(fields=["organization", "at"], name="file_in_age")],
                "constraints": [models.UniqueConstraint(fields=("supplier", "file_digest"), name="file_in_once")],
            },
        ),
        migrations.CreateModel(
            name="FileOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField()),
                ("kind", models.CharField(max_length=8)),
                ("file_digest", models.BinaryField(max_length=32)),
                ("skus", models.JSONField(default=list)),
                ("placed_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "supplier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="suppliers.supplier"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("supplier", "reference", "kind"), name="file_out_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageNews",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField()),
                ("kind", models.CharField(max_length=16)),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "supplier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="suppliers.supplier"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["organization", "at"], name="message_news_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("supplier", "reference", "kind"), name="message_news_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="OptOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(max_length=8)),
                ("address_digest", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "channel", "address_digest"), name="opt_out_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PartnerHealth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(choices=[("ok", "Ok"), ("degraded", "Degraded"), ("open", "Open")], max_length=16),
                ),
                ("code", models.CharField(blank=True, max_length=48)),
                ("since", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.organization"
                    ),
                ),
                (
                    "supplier",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="health", to="suppliers.supplier"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "ok"), _negated=True),
                        fields=["organization"],
                        name="partner_unwell",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["ok", "degraded", "open"])), name="partner_health_known"
                    )
                ],
            },
        ),
    ]
