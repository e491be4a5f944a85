"""Start again after the database was restored from a copy: the copy is older than the world (REL-P34)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.outbox import queue
from ehrcommerce.vault import walls

UNKNOWABLE = """
What this database cannot know, and where to look:
  - Orders and payments of the lost time: `manage.py reconcile` compares our books with the processor's own list, day by
    day; each difference becomes an item of the queue.
  - Parcels ordered in the lost time: ask each supplier for its list of that time, and compare the references.
  - Links that were sent or used in the lost time: they do not exist here; their holders see "ask your clinic".
  - Consents that were withdrawn in the lost time: tell the clinics the hours, so that patients who called are asked.
"""


class Command(BaseCommand):
    help = (
        "Run once after a restore, before worker and sweeper start: all that is open is asked about before it is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", required=True, help="your name, for the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        by, total = audit.Actor("user", f"shell-{options['by']}"[:60]), 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT ehrc_organizations()")
            organizations = [row[0] for row in cursor.fetchall()]
        for organization_id in organizations:
            with walls.organization(organization_id):
                moved = queue.ask_before_sending(by=by, organization_id=organization_id, at=timezone.now())
            self.stdout.write(f"organization {organization_id}: {moved} open effects will be asked about first")
            total += moved
        self.stdout.write(f"{total} in all. Start worker and sweeper now." + UNKNOWABLE)
