"""Who released directions with words that may tell why, and when. Lines of before were sent without the question."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("offers", "0004_sold_as"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.AddField(
            "offerline", "released_at",
            models.DateTimeField(
                null=True, help_text="When the clinician released directions with words that may tell why."
            ),
        ),
        migrations.AddField(
            "offerline", "released_by",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
    ]  # fmt: skip
