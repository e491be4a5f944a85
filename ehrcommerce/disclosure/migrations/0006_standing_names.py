"""What the back office calls a standing yes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("disclosure", "0005_standing_consents"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="consent",
            options={"verbose_name": "standing yes", "verbose_name_plural": "standing yes: kits without asking"},
        ),
    ]
