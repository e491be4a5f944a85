"""Which lines were asked back from their supplier without a settled answer. The database fills it in as well, so that
code of before this migration can go on placing orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_walls")]
    operations = [
        migrations.AddField(
            model_name="orderline",
            name="asked_back",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its supplier was asked to cancel it and has not settled that: no money is taken meanwhile.",
            ),
        ),
    ]
