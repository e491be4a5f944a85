"""Which rule made an offer by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0008_why_a_link_ended"),
    ]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="by_rule",
            field=models.UUIDField(help_text="The rule that made it by itself, in the name of `made_by`.", null=True),
        ),
    ]
