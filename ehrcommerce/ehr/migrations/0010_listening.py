"""Quiet is counted within the hours in which there is news; and who sends may be proved by a client certificate."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ehr", "0009_automation")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="news_hours",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Only quiet within these hours of the clinic is counted, e.g. mon-fri 08-18; empty: always.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="client_certificates",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="SHA-256 of client certificates, comma separated; then nothing counts that comes without one of"
                " them.",
                max_length=255,
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="scheme",
            field=models.CharField(
                choices=[
                    ("r5_backport", "FHIR Subscription, R5 backport; a secret header"),
                    ("rest_hook", "FHIR R4 rest-hook, with or without payload; a secret header"),
                    ("medplum", "Medplum; HMAC over the body"),
                    ("athenahealth", "athenahealth; WebSub signature"),
                    ("vendor_webhook", "Signed webhook: HMAC over id, time and body"),
                    ("hl7_v2", "HL7 v2 messages, by MLLP or as files"),
                ],
                default="r5_backport",
                max_length=16,
            ),
        ),
    ]
