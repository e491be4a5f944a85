"""Further EHRs, launches with knobs and long values, and signing keys of several kinds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ehr", "0001_chart_and_clients")]

    operations = [
        migrations.CreateModel(
            name="Profile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60, unique=True)),
                ("vendor", models.CharField(blank=True, default="", max_length=40)),
                ("knobs", models.JSONField(default=dict)),
            ],
        ),
        migrations.AddField("launch", "shown", models.TextField(blank=True, default="")),
        migrations.AddField("launch", "profile", models.CharField(blank=True, default="", max_length=60)),
        migrations.AddField("launch", "knobs", models.JSONField(default=dict)),
        migrations.AddField("accesstoken", "profile", models.CharField(blank=True, default="", max_length=60)),
        migrations.AddField("signingkey", "kind", models.CharField(default="RSA", max_length=10)),
        migrations.AddField("signingkey", "generation", models.IntegerField(default=1)),
        migrations.AddConstraint(
            "signingkey", models.UniqueConstraint(fields=["kind", "generation"], name="signing_key_once")
        ),
    ]
