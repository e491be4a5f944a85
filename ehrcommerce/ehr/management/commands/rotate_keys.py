"""The keys by which EHRs know the app, one step on: next -> current -> retired."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import shell
from ehrcommerce.ehr import keys
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = (
        "Lets the next signing keys sign, publishes new next ones, and keeps the retired published for 30 hours. "
        "Refuses while the next keys may still be unknown to an EHR's cache. --force needs two people first. "
        "After a leak: --compromised, at once, by one administrator; another one looks at it afterwards."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="also when it is too early; not enough after a leak")
        parser.add_argument(
            "--compromised", action="store_true",
            help="after a leak: throw every key away, the next and the retired ones too, and make new ones",
        )  # fmt: skip
        shell.add_organization(parser)
        shell.add_emergency(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        for line in self._rotate(options):
            self.stdout.write(line)
        self.stdout.write("Every process of the app uses these from now on.")
        if options["compromised"]:
            self.stdout.write('Another administrator looks at it in the back office, under "Proposed changes".')

    def _rotate(self, options: dict[str, Any]) -> list[str]:
        force, compromised = bool(options["force"]), bool(options["compromised"])
        if not (force or compromised):
            try:
                return keys.rotate(at=timezone.now())
            except keys.TooEarly as problem:
                raise CommandError(str(problem)) from problem
        organization_id = shell.organization_of(options)
        with walls.organization(organization_id), transaction.atomic():
            if compromised:
                shell.afterwards("keys_review", "Signing keys thrown away after a leak", options)
            else:
                shell.spend("keys", organization_id)
            return keys.rotate(at=timezone.now(), force=force, compromised=compromised)
