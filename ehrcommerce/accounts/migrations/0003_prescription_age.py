"""How old a prescription may be that an organization sells. The database fills it in as well, so that code of before
this migration can go on making organizations."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_walls")]
    operations = [
        migrations.AddField(
            model_name="organization",
            name="prescription_max_age_days",
            field=models.PositiveSmallIntegerField(
                db_default=365,
                default=365,
                help_text="Older prescriptions are not sold; most states set one year. 0: no limit (for test data).",
            ),
        ),
    ]
