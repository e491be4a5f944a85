"""When the holder of a link that ended asked for a new one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_own_pages"),
        ("offers", "0014_clinic_of_a_link"),
    ]

    operations = [
        migrations.AddField(
            model_name="purchaselink",
            name="asked_again_at",
            field=models.DateTimeField(
                help_text="When its holder asked for a new link, after it was too old or locked.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="purchaselink",
            index=models.Index(
                condition=models.Q(("asked_again_at__isnull", False)),
                fields=["organization", "asked_again_at"],
                name="link_asked_again",
            ),
        ),
    ]
