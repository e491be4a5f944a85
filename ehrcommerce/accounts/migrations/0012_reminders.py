"""Whether a clinic reminds its patients of a link: filled in by the database, so that code of before goes on writing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_helpers"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="reminders",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text=(
                    "A link that nobody answered is called to mind after one day and after three, between 9:00 and 20:00 at the"
                    " clinic. Never more than twice, and not where the patient said STOP."
                ),
                verbose_name="remind patients of a link",
            ),
        ),
    ]
