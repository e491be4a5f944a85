"""Walk every chain of the audit from its first row, and name what is broken."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from ehrcommerce.audit import services, verify
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = "Checks the sealed chain of the audit of every organization. Ends with an error where one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=int, help="the id of one; all, if left out")
        parser.add_argument(
            "--accept-end", action="store_true", help="after a break was looked into: the end of today is the end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        for organization_id in [options["organization"]] if options["organization"] else _all():
            with walls.organization(organization_id):
                if options["accept_end"]:
                    verify.accept(organization_id, timezone.now())
                broken += self._one(organization_id)
        if broken:
            raise CommandError(f"The audit is broken in {broken} places. Keep the database as it is; compare a backup.")

    def _one(self, organization_id: int) -> int:
        found = verify.everything(organization_id)
        number, seal = services.head(organization_id)
        self.stdout.write(f"organization {organization_id}: {found.rows} rows, end {number} {seal.hex()[:16]}")
        for one in found.breaks:
            self.stderr.write(f"organization {organization_id}: {one}")
        return len(found.breaks)


def _all() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        return [row[0] for row in cursor.fetchall()]
