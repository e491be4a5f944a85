"""A yes to orders to come, and what follows from it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("disclosure", "0004_rights"),
    ]

    operations = [
        migrations.AddField(
            model_name="consent",
            name="attested_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=80),
        ),
        migrations.AddField(
            model_name="consent",
            name="attested_on",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="consent",
            name="standing",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="followed",
                to="disclosure.consent",
            ),
        ),
    ]
