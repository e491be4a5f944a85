"""Terms of an organization that hold an order whose directions have them, beside the app's own list."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_sealed_seeds")]
    operations = [
        migrations.AddField(
            "organization", "held_words",
            models.TextField(
                blank=True, db_default="", default="",
                help_text="One term a line. A prescription whose directions hold one waits until the clinician has looked at"
                " it; the app's own list of conditions always counts.",
                verbose_name="more words that hold an order",
            ),
        ),
    ]  # fmt: skip
