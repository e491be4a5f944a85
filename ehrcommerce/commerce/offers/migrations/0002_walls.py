"""Walls, and the one question of a stranger with a link: what may this page say."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall

VIEW = (
    "TABLE (pk bigint, public_id uuid, organization_id bigint, state varchar, expired boolean, expires_at timestamptz,"
    " tries_left smallint, language varchar, alias varchar, phone varchar, match_postal_code boolean, match_family_name boolean)"
)
OPEN = """
SELECT l.id, l.public_id, l.organization_id, l.state,
       l.state IN ('sent', 'opened', 'verified') AND l.expires_at <= now(), l.expires_at,
       l.tries_left, o.language, g.alias, g.phone, g.match_postal_code, g.match_family_name
FROM offers_purchaselink l
JOIN offers_offer o ON o.id = l.offer_id
JOIN accounts_organization g ON g.id = l.organization_id
WHERE l.token_sha256 = p_hash AND l.state <> 'draft'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("offers", "0001_initial"),
        ("accounts", "0002_walls"),
    ]
    operations = [
        wall("offers_offer", "offers_offerline", "offers_contact", "offers_purchaselink"),
        crossing("ehrc_open_link", "p_hash bytea", VIEW, OPEN),
    ]
