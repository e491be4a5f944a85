"""Helpers: who acts for a patient, whether an offer needs one, and a wider answer to a stranger with a link under a new
name: code of before this migration goes on asking the old one. All new columns are filled in by the database."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import ehrcommerce.vault.fields
from ehrcommerce.vault.walls import crossing, wall

VIEW = (
    "TABLE (pk bigint, public_id uuid, organization_id bigint, state varchar, end_reason varchar, expired boolean,"
    " expires_at timestamptz, tries_left smallint, language varchar, alias varchar, phone varchar, match_postal_code boolean,"
    " match_family_name boolean, sends_code boolean, helpers boolean)"
)
RELATIONS = [
    ("parent", "Parent"), ("guardian", "Legal guardian"), ("foster_parent", "Foster parent"),
    ("partner", "Husband, wife or partner"), ("child", "Son or daughter"), ("relative", "Other relative"),
    ("friend", "Friend"), ("caregiver", "Caregiver"),
]  # fmt: skip
# A helper is known by a code: a printed link, to which no code goes, takes none.
LOOK = """
SELECT l.id, l.public_id, l.organization_id, l.state, l.end_reason,
       l.state IN ('sent', 'opened', 'verified') AND l.expires_at <= now(), l.expires_at,
       l.tries_left, o.language, g.alias, g.phone,
       g.match_postal_code OR l.delivery = 'printed', g.match_family_name OR l.delivery = 'printed',
       l.delivery <> 'printed', g.helpers AND l.delivery <> 'printed'
FROM offers_purchaselink l
JOIN offers_offer o ON o.id = l.offer_id
JOIN accounts_organization g ON g.id = l.organization_id
WHERE l.token_sha256 = p_hash AND l.state <> 'draft'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_helpers"),
        ("offers", "0010_fill_before"),
    ]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="needs_helper",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The patient was a minor when it was sent: a helper acts for them.",
            ),
        ),
        migrations.CreateModel(
            name="Helper",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("relation", models.CharField(choices=RELATIONS, max_length=16)),
                ("name", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                (
                    "channel",
                    models.CharField(blank=True, choices=[("sms", "Text message"), ("email", "E-mail")], max_length=8),
                ),
                ("value", ehrcommerce.vault.fields.SealedText(blank=True, default="", editable=False)),
                ("masked", models.CharField(blank=True, max_length=80)),
                ("created_at", models.DateTimeField()),
                (
                    "offer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="helpers", to="offers.offer"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.organization"
                    ),
                ),
            ],
        ),
        wall("offers_helper"),
        crossing("ehrc_read_link", "p_hash bytea", VIEW, LOOK),
    ]
