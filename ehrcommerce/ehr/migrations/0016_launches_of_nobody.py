"""Whose audit hears of a launch by an EHR that nobody registered: of the organizations that know an EHR on this host; where
there is but one organization, of that one."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing


class Migration(migrations.Migration):
    dependencies = [("ehr", "0015_every_algorithm"), ("accounts", "0002_walls")]

    operations = [
        crossing(
            "ehrc_organizations_of_stranger",
            "p_host text",
            "SETOF bigint",
            "SELECT organization_id FROM ehr_ehrconnection WHERE split_part(canonical_iss, '/', 3) = p_host"
            " UNION SELECT id FROM accounts_organization WHERE (SELECT count(*) FROM accounts_organization) = 1",
        ),
    ]
