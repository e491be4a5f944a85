"""The red button of one clinic: see ehr/incident.py and docs/operations.md."""

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.audit import services as audit
from ehrcommerce.ehr import incident
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = (
        "Ends every link, session and token of one organization, at once, and stops all that leaves it until --lift. "
        "Links stay revoked; what was paid is settled by hand."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, help="its number or its public id")
        parser.add_argument("--lift", action="store_true", help="the incident is over: new links may be made again")

    def handle(self, *args: Any, **options: Any) -> None:
        began, at, by = time.monotonic(), timezone.now(), audit.system("revoke_all")
        organization = _organization(str(options["organization"]))
        try:
            if options["lift"]:
                incident.lift(organization_id=organization.pk, by=by, at=at)
                self.stdout.write(f"{organization.name}: lifted. New links may be made; revoked ones stay revoked.")
                return
            told = incident.stop(organization_id=organization.pk, by=by, at=at)
        finally:
            walls.leave()
        self.stdout.write(
            f"{organization.name}: {told.links} links revoked, {told.checkouts} checkouts and {told.launches} launches"
            f" ended, {told.attempts} launches under way refused, all staff signed out, in"
            f" {time.monotonic() - began:.1f} s.\nNothing leaves this organization until:"
            f" python3 manage.py revoke_all --organization {organization.public_id} --lift"
        )


def _organization(named: str) -> Organization:
    """Leaves its walls entered."""
    for organization_id in organization_ids():
        walls.enter(organization_id)
        found = Organization.objects.get(pk=organization_id)
        if named in (str(found.pk), str(found.public_id)) or _same(named, found.public_id):
            return found
    walls.leave()
    raise CommandError(f"There is no organization '{named}'. Its public id stands in the address book of your clinics.")


def _same(named: str, public_id: UUID) -> bool:
    return named.replace("-", "").lower() == public_id.hex
