from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0005_released_words"),
    ]

    operations = [
        migrations.AddField(
            model_name="contact",
            name="value_digest",
            field=models.BinaryField(
                db_default=b"",
                default=b"",
                help_text="Blind index: by what the privacy officer finds it.",
                max_length=32,
            ),
        ),
    ]
