"""The clinic's own words for its terms, its privacy notice, its accessibility statement and help in other languages; and which
clinic a public id names, before anybody is known. Columns are filled in by the database."""

from django.db import migrations, models

from ehrcommerce.vault.walls import crossing

OWN_WORDS = "Plain text, shown on a page of its own that each patient's page leads to. Empty: short words of ours."
WORDS = [
    ("terms_en", "terms, English"), ("terms_es", "terms, Spanish"), ("privacy_en", "privacy notice, English"),
    ("privacy_es", "privacy notice, Spanish"), ("accessibility_en", "accessibility statement, English"),
    ("accessibility_es", "accessibility statement, Spanish"),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_reminders"),
    ]

    operations = [
        *[
            migrations.AddField(
                model_name="organization",
                name=name,
                field=models.TextField(blank=True, db_default="", default="", help_text=OWN_WORDS, verbose_name=called),
            )
            for name, called in WORDS
        ],
        migrations.AddField(
            model_name="organization",
            name="language_help",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text=(
                    "One language a line, as your state wants them (45 CFR 92.11). Empty: 16 languages with your help line."
                ),
                verbose_name="language-help notice",
            ),
        ),
        crossing(
            "ehrc_organization_named", "p_public_id uuid", "SETOF bigint",
            "SELECT id FROM accounts_organization WHERE public_id = p_public_id",
        ),
    ]  # fmt: skip
