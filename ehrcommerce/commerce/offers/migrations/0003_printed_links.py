"""Links that are handed over on paper to patients whom no code can reach, and the patient's "no thanks".

The question of a stranger with a link gets a second, wider answer under a new name: code of before this migration goes
on asking the old one. All new columns are filled in by the database."""

from django.db import migrations, models

from ehrcommerce.vault.walls import crossing

VIEW = (
    "TABLE (pk bigint, public_id uuid, organization_id bigint, state varchar, expired boolean, expires_at timestamptz,"
    " tries_left smallint, language varchar, alias varchar, phone varchar, match_postal_code boolean,"
    " match_family_name boolean, sends_code boolean)"
)
LOOK = """
SELECT l.id, l.public_id, l.organization_id, l.state,
       l.state IN ('sent', 'opened', 'verified') AND l.expires_at <= now(), l.expires_at,
       l.tries_left, o.language, g.alias, g.phone,
       g.match_postal_code OR l.delivery = 'printed', g.match_family_name OR l.delivery = 'printed',
       l.delivery <> 'printed'
FROM offers_purchaselink l
JOIN offers_offer o ON o.id = l.offer_id
JOIN accounts_organization g ON g.id = l.organization_id
WHERE l.token_sha256 = p_hash AND l.state <> 'draft'
"""


class Migration(migrations.Migration):
    dependencies = [("offers", "0002_walls"), ("accounts", "0002_walls")]
    operations = [
        migrations.AddField(
            model_name="purchaselink",
            name="delivery",
            field=models.CharField(
                choices=[
                    ("message", "Text or e-mail"),
                    ("qr", "QR code; the one-time code goes to a contact on file"),
                    ("printed", "Printed sheet, no contact on file: name and postal code instead of a code"),
                ],
                db_default="message",
                default="message",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="purchaselink",
            name="declined_at",
            field=models.DateTimeField(
                help_text="The patient said no thanks; they may still change their mind.", null=True
            ),
        ),
        crossing("ehrc_look_at_link", "p_hash bytea", VIEW, LOOK),
    ]
