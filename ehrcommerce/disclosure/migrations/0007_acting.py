"""Who said yes: the patient, or somebody in what relation. Filled in by the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("disclosure", "0006_standing_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="acting",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What who said it is to the patient; empty: the patient.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="disclosure",
            name="acting",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What who agreed is to the patient; empty: the patient.",
                max_length=16,
            ),
        ),
    ]
