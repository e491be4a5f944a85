"""The registry tells what an agreement covers and how far it is. Rows that were in force stay in force for everything
they were used for. Each clinic needs an agreement of its own from now on: none is made up here."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_rights"),
    ]
    operations = [
        migrations.AddField("agreement", "party_role", models.CharField(
            choices=[("covered_entity", "Covered entity"), ("business_associate", "Business associate"),
                     ("subcontractor", "Subcontractor")],
            default="business_associate", db_default="business_associate", max_length=20)),
        migrations.AddField("agreement", "services", models.CharField(blank=True, default="", db_default="", max_length=255)),
        migrations.AddField("agreement", "document_sha256", models.CharField(
            blank=True, default="", db_default="", max_length=64, verbose_name="SHA-256 of the document",
            help_text="As `sha256sum` prints it.")),
        migrations.AddField("agreement", "breach_contact", models.CharField(
            blank=True, default="", db_default="", max_length=120,
            help_text="Whom to call at the party after a breach, at any hour.")),
        migrations.AddField("agreement", "subprocessors", models.TextField(
            blank=True, default="", db_default="", help_text="Whom the party passes data on to; one a line.")),
        migrations.AddField("agreement", "state", models.CharField(
            choices=[("draft", "Draft"), ("active", "In force"), ("expired", "Expired"), ("ended", "Ended")],
            default="draft", db_default="draft", max_length=8)),
        migrations.AddField("agreement", "warned_days", models.PositiveSmallIntegerField(editable=False, null=True)),
        migrations.AlterField("agreement", "party", models.CharField(
            max_length=64,
            help_text="organization, ehr:<id>, supplier:<id>, or processor:<name> for a log sink or a host.")),
        migrations.RunSQL("UPDATE accounts_agreement SET state = 'active', services = 'all'", migrations.RunSQL.noop),
        migrations.AddConstraint("agreement", models.CheckConstraint(
            condition=models.Q(("state__in", ["draft", "active", "expired", "ended"])), name="agreement_state_known")),
    ]
