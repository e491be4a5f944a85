"""Helpers: whether somebody may act for a patient, and what the helper of a minor may not see. Off, and filled in by the
database, so that code of before goes on writing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_return_refunds"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="helpers",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text=(
                    "A parent or other helper may order for a patient under the age of adults; and an adult may name a helper."
                    " Off: orders of minors are refused, and nobody acts for anybody."
                ),
                verbose_name="helpers may act for patients",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="minor_private",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text=(
                    "One a line: a kind of order (prescription, device, kit) or the number of a product, where your state lets a"
                    " minor decide alone. What stands here is not sold to a minor by link."
                ),
                verbose_name="what a helper of a minor may not see",
            ),
        ),
    ]
