"""Which prescriber said that an unusual value is right, and when."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0011_helpers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="offerline",
            name="confirmed_at",
            field=models.DateTimeField(
                help_text="When the prescriber said that an unusual value is right as it stands.", null=True
            ),
        ),
        migrations.AddField(
            model_name="offerline",
            name="confirmed_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
    ]
