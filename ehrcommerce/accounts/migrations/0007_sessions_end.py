"""Sessions of staff can be ended all at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_held_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="sessions_end_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="Sessions of staff that began before this are over.", null=True
            ),
        ),
    ]
