from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_sessions_end"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="privacy_ccpa",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Say on the patient's data page what California law adds."
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="privacy_gdpr",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Say on the patient's data page what European law adds."
            ),
        ),
    ]
