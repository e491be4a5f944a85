"""Walls."""

from django.db import migrations

from ehrcommerce.vault.walls import wall


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("fulfillment", "0001_initial"),
    ]
    operations = [
        wall("fulfillment_fulfillment", "fulfillment_fulfillmentline", "fulfillment_shipment"),
    ]
