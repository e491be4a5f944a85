"""What exactly a yes was given to: the digest of the recipient's part of the payload. Empty for a yes of before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("disclosure", "0002_walls")]
    operations = [
        migrations.AddField(
            "consent", "payload_digest", models.BinaryField(default=b"", db_default=b"", max_length=32)
        ),
    ]
