"""A carrier's callback names a parcel by its number, which is sealed: the number's blind index finds it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0004_late_lines"),
    ]
    operations = [
        migrations.AddField(
            model_name="shipment",
            name="tracking_digest",
            field=models.BinaryField(
                db_default=b"", default=b"", help_text="Blind index: by what a carrier's callback finds it.",
                max_length=32,
            ),
        ),
    ]  # fmt: skip
