"""Room for a sealed seed in django-otp's own column. Widening a varchar rewrites nothing, and code of the release before
goes on writing seeds in clear, which are still read."""

from django.db import migrations

TABLE = "ALTER TABLE otp_totp_totpdevice ALTER COLUMN key TYPE varchar(255)"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_roles_and_oversight"), ("otp_totp", "0003_add_timestamps")]
    operations = [migrations.RunSQL(TABLE, migrations.RunSQL.noop)]
