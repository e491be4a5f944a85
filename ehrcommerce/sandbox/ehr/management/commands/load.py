"""`load [--fhir-data DIR]`: demo users, demo patients and the demo client, and any folder of FHIR JSON beside them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from ehrcommerce.sandbox import hooks
from ehrcommerce.sandbox.data.demo import demo_resources, demo_users
from ehrcommerce.sandbox.ehr.control import upsert_user
from ehrcommerce.sandbox.ehr.loading import writing


class Command(BaseCommand):
    """Loads the demo; a second run changes nothing."""

    help = "Load demo data, and with --fhir-data any folder of FHIR JSON beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The folder."""
        parser.add_argument("--fhir-data", type=Path, metavar="DIR")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Write, then say what was written."""
        folder: Path | None = options["fhir_data"]
        if folder is not None and not folder.is_dir():
            raise CommandError(f"{folder} is not a folder. Name one that holds FHIR JSON files.")
        at = timezone.now()
        hooks.load()
        for user in demo_users():
            upsert_user(**user)
        demo = writing.exact(demo_resources())
        outcome = writing.load_resources(demo, at=at)
        if folder is not None:
            taken = [f"{resource['resourceType']}/{resource['id']}" for resource in demo]
            outcome += writing.load_folder(folder, taken=taken, at=at, say=self.stdout.write)
        self.stdout.write(writing.table(outcome))
