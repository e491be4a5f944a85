"""What the pages of the back office are called."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("ehr", "0005_cds_hooks"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="notification",
            options={"verbose_name": "event", "verbose_name_plural": "events in"},
        ),
        migrations.AlterModelOptions(
            name="pollingwatermark",
            options={"verbose_name": "polling", "verbose_name_plural": "polling: how far we looked ourselves"},
        ),
        migrations.AlterModelOptions(
            name="subscription",
            options={"verbose_name": "subscription", "verbose_name_plural": "subscriptions: what EHRs tell us"},
        ),
    ]
