"""All that is held of one person, for the privacy officer who answers a request by mail or at the desk."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout import export
from ehrcommerce.commerce.checkout.management.commands._person import PersonCommand
from ehrcommerce.disclosure.bundle import bundle
from ehrcommerce.vault import walls


class Command(PersonCommand):
    help = "Writes all that is held of one person as a FHIR Bundle into a new file that only you can read. Audited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--to", required=True, metavar="FILE", help="a file that is not there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        at, organization_id = timezone.now(), options["organization"]
        with walls.organization(organization_id):
            customer_key, by = self.person(options)
            clinic = Organization.objects.get(pk=organization_id)
            held = export.gather(organization_id=organization_id, customer_key=customer_key, clinic=clinic.alias)
            audit.record(
                organization_id=organization_id, by=by, action="patient.exported", entity=f"organization:{clinic.public_id}",
                at=at, customer_key=customer_key, reason=options["reason"].strip(),
            )  # fmt: skip
        try:
            file = os.open(options["to"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as problem:
            raise CommandError(f"{options['to']} cannot be made: {problem.strerror}. Name a new file.") from problem
        with os.fdopen(file, "w", encoding="utf-8") as out:
            json.dump(bundle(held, at=at), out, ensure_ascii=False, indent=2)
        self.stdout.write(f"Written: {options['to']}. Hand it over by a way that you both trust, then delete it.")
