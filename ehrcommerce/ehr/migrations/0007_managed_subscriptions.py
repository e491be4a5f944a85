"""Which subscriptions the app makes itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ehr", "0006_event_pages"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="managed",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Made at the EHR and looked after by the app, through its FHIR API.",
            ),
        ),
    ]
