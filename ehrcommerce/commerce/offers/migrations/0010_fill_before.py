"""The fill before an offer."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0009_by_rule"),
    ]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="after",
            field=models.ForeignKey(
                help_text="The fill before this one.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="offers.offer",
            ),
        ),
    ]
