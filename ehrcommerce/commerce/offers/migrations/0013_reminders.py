"""Which sends of a link's message were reminders. Empty for all that stand, so that code of before goes on writing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0012_confirmed_values"),
    ]

    operations = [
        migrations.AddField(
            model_name="purchaselink",
            name="reminder_1",
            field=models.PositiveSmallIntegerField(
                help_text="Which send of its message was the first reminder.", null=True
            ),
        ),
        migrations.AddField(
            model_name="purchaselink",
            name="reminder_2",
            field=models.PositiveSmallIntegerField(help_text="Which send was the second and last.", null=True),
        ),
    ]
