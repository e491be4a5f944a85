"""What a prescriber approves at a clinic: nothing, filled in by the database, so that code of before goes on writing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_backup_codes"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="approval",
            field=models.CharField(
                choices=[
                    ("none", "Nothing: whoever opens the chart sends"),
                    ("prescriptions", "Links with a prescription"),
                    ("everything", "Every link"),
                ],
                db_default="none",
                default="none",
                help_text=(
                    "Such a link of somebody who is no prescriber is prepared only; the prescriber sends it from the chart."
                ),
                max_length=16,
                verbose_name="what a prescriber approves",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("approval__in", ["none", "prescriptions", "everything"])), name="organization_approval"
            ),
        ),
    ]
