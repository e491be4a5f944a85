"""Who is told of changes in the chart, and what was told."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ehr", "0002_profiles")]

    operations = [
        migrations.CreateModel(
            name="Subscriber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64, unique=True)),
                ("profile", models.CharField(blank=True, default="", max_length=60)),
                ("scheme", models.CharField(max_length=16)),
                ("endpoint", models.TextField()),
                ("headers", models.JSONField(default=list)),
                ("secret", models.TextField(blank=True, default="")),
                ("content", models.CharField(blank=True, default="", max_length=16)),
                ("types", models.JSONField(default=list)),
                ("topic", models.TextField(blank=True, default="")),
                ("heartbeat_s", models.IntegerField(default=0)),
                ("state", models.CharField(default="requested", max_length=12)),
                ("number", models.BigIntegerField(default=0)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subscriber",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="messages", to="ehr.subscriber"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("number", models.BigIntegerField(blank=True, null=True)),
                ("focus", models.CharField(blank=True, default="", max_length=120)),
                ("version", models.IntegerField(default=0)),
                ("deleted", models.BooleanField(default=False)),
                ("text", models.TextField(blank=True, default="")),
                ("at", models.DateTimeField()),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                ("tries", models.IntegerField(default=0)),
                ("copies", models.IntegerField(default=1)),
                ("outcome", models.CharField(blank=True, default="", max_length=200)),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddIndex(
            "message",
            models.Index(
                fields=["next_try_at"], name="message_due", condition=models.Q(("next_try_at__isnull", False))
            ),
        ),
        migrations.AddIndex("message", models.Index(fields=["subscriber", "number"], name="message_number")),
    ]
