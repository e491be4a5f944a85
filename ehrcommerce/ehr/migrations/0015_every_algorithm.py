"""A new connection accepts every asymmetric signature that a key of its EHR can have made; rows that are there keep what
they list."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ehr", "0014_hearings")]

    operations = [
        migrations.AlterField(
            model_name="ehrconnection",
            name="id_token_algs",
            field=models.CharField(default="RS256 RS384 RS512 PS256 PS384 ES256 ES384", max_length=60),
        ),
    ]
