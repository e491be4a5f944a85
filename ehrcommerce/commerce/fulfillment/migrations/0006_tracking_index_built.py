"""The index itself, built beside running code."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("fulfillment", "0005_tracking_index"),
    ]
    operations = [
        AddIndexConcurrently(
            "shipment",
            models.Index(
                fields=["organization", "tracking_digest"], name="parcel_digest",
                condition=~models.Q(tracking_digest=b""),
            ),
        ),
    ]  # fmt: skip
