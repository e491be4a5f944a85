"""Every consent of an organization as FHIR R4 Consent, one a line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from ehrcommerce.accounts import shell
from ehrcommerce.audit import services as audit
from ehrcommerce.disclosure import consent_export
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = "Writes the consents of one organization to the screen, as FHIR R4 Consent in NDJSON. Two people agree first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=int, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        with walls.organization(options["organization"]):
            shell.spend("bulk_export", options["organization"])
            audit.record(
                organization_id=options["organization"], by=audit.system("terminal"), action="consent.exported",
                entity=f"organization:{options['organization']}", at=timezone.now(),
            )  # fmt: skip
            for line in consent_export.lines(options["organization"]):
                self.stdout.write(line, ending="")
