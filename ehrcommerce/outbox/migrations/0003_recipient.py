"""Which party an act is for, where a retry must not choose another. The database fills it in as well, so that code of
before this migration can go on planning effects."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_walls")]
    operations = [
        migrations.AddField(
            model_name="effect",
            name="recipient",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
