"""A person is found by a phone number or mail address through its blind index, whatever the table's size. Built beside
running code."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("offers", "0006_rights"),
    ]
    operations = [
        AddIndexConcurrently(
            "contact",
            models.Index(
                fields=["organization", "value_digest"], name="contact_digest", condition=~models.Q(value_digest=b"")
            ),
        ),
    ]
