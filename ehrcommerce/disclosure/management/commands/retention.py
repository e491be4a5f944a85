"""Erase what the table says is due, or only count it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from ehrcommerce.disclosure import retention
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = (
        "Erases what is kept no longer (docs/data-map.md), in batches, with a certificate for each. Open orders and legal "
        "holds are never touched. The sweeper does this every hour; this is for who wants to see or not to wait."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what would be erased; change nothing")
        parser.add_argument("--organization", type=int, help="the id of one; all, if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        total = 0
        for organization_id in [options["organization"]] if options["organization"] else _all():
            self.stdout.write(f"organization {organization_id}")
            with walls.organization(organization_id):
                counts = (
                    retention.due(organization_id, timezone.now())
                    if dry
                    else {name: retention.run_one(name, organization_id, timezone.now()) for name in retention.RULES}
                )
            for name in sorted(retention.RULES):
                classes = ", ".join(sorted({str(kept) for kept in retention.RULES[name].keeps.values()}))
                self.stdout.write(f"  {counts[name]:>7}  {name}  ({classes})")
            total += sum(counts.values())
        self.stdout.write(f"{total} rows {'would lose' if dry else 'lost'} a value.")


def _all() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_organizations()")
        return [row[0] for row in cursor.fetchall()]
