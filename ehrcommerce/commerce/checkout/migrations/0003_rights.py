from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0002_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="checkoutsession",
            name="proved_at",
            field=models.DateTimeField(help_text="When this person last proved who they are.", null=True),
        ),
        migrations.AddField(
            model_name="checkoutsession",
            name="wants_data",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Came to see their own data: led there once they are known."
            ),
        ),
    ]
