import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0003_rights"),
        ("offers", "0011_helpers"),
    ]

    operations = [
        migrations.AddField(
            model_name="checkoutsession",
            name="helper",
            field=models.ForeignKey(
                help_text="Who acts for the patient.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="offers.helper",
            ),
        ),
    ]
