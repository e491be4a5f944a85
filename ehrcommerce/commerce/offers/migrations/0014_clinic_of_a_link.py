"""A stranger with a link may read whose pages it leads to: the clinic's public id beside its neutral name, under a new name of
the function, since code of before goes on asking the old one."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing

VIEW = (
    "TABLE (pk bigint, public_id uuid, organization_id bigint, state varchar, end_reason varchar, expired boolean,"
    " expires_at timestamptz, tries_left smallint, language varchar, alias varchar, phone varchar, match_postal_code boolean,"
    " match_family_name boolean, sends_code boolean, helpers boolean, clinic_id uuid)"
)
LOOK = """
SELECT l.id, l.public_id, l.organization_id, l.state, l.end_reason,
       l.state IN ('sent', 'opened', 'verified') AND l.expires_at <= now(), l.expires_at,
       l.tries_left, o.language, g.alias, g.phone,
       g.match_postal_code OR l.delivery = 'printed', g.match_family_name OR l.delivery = 'printed',
       l.delivery <> 'printed', g.helpers AND l.delivery <> 'printed', g.public_id
FROM offers_purchaselink l
JOIN offers_offer o ON o.id = l.offer_id
JOIN accounts_organization g ON g.id = l.organization_id
WHERE l.token_sha256 = p_hash AND l.state <> 'draft'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_own_pages"),
        ("offers", "0013_reminders"),
    ]

    operations = [crossing("ehrc_link_of_token", "p_hash bytea", VIEW, LOOK)]
