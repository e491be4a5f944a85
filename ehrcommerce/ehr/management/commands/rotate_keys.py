"""The keys by which EHRs know the app, one step on: next -> current -> retired."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ehrcommerce.ehr import keys


class Command(BaseCommand):
    help = (
        "Lets the next signing keys sign, publishes new next ones, and keeps the retired published for 30 hours. "
        "Refuses while the next keys may still be unknown to an EHR's cache. After a leak: --compromised."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="also when it is too early; not enough after a leak")
        parser.add_argument(
            "--compromised", action="store_true",
            help="after a leak: throw every key away, the next and the retired ones too, and make new ones",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = keys.rotate(
                at=timezone.now(), force=bool(options["force"]), compromised=bool(options["compromised"])
            )
        except keys.TooEarly as problem:
            raise CommandError(str(problem)) from problem
        for line in lines:
            self.stdout.write(line)
        self.stdout.write("Every process of the app uses these from now on.")
