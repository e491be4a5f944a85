"""What clients have to keep to, and whether they did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("journal", "0001_journal_and_faults")]

    operations = [
        migrations.CreateModel(
            name="ConformanceCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("endpoint", models.CharField(max_length=20)),
                ("check_name", models.CharField(max_length=60)),
                ("held", models.BooleanField()),
                ("detail", models.TextField(blank=True, default="")),
                ("profile", models.CharField(blank=True, default="", max_length=60)),
                ("client_id", models.CharField(blank=True, default="", max_length=200)),
                ("at", models.FloatField()),
            ],
        ),
    ]
