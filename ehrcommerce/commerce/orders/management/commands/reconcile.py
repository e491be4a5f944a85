"""Compares the books with what each payment processor lists, and adds up the ledger."""

from argparse import ArgumentParser
from datetime import UTC, date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.commerce.orders import reconciling
from ehrcommerce.commerce.orders.models import Reconciliation
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = (
        "Compare one day (yesterday by UTC) with every payment processor, and the ledger with itself. 1: they differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help="a day of UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        at = timezone.now()
        day = options["day"] or at.astimezone(UTC).date() - timedelta(days=1)
        wrong = 0
        for organization_id in organization_ids():
            with walls.organization(organization_id):
                wrong += self._one(organization_id, day)
        if wrong:
            raise CommandError(
                f"{wrong} differences. Each waits for a person under Effects, with its cause and remedy."
            )
        self.stdout.write("No differences.")

    def _one(self, organization_id: int, day: date) -> int:
        wrong = 0
        for effect in reconciling.reconcile(organization_id=organization_id, day=day, at=timezone.now(), ring=False):
            outbox.run_inline(effect)
            effect.refresh_from_db()
            if effect.state != State.DONE:
                self.stdout.write(f"{effect.subject}: not compared ({effect.state} {effect.code}); it is tried again")
                wrong += 1
                continue
            row = Reconciliation.objects.get(supplier__public_id=effect.subject.partition(":")[0], day=day)
            found = self._compared(organization_id)
            self.stdout.write(
                f"{day} {row.supplier}: listed {row.listed}, agreed {row.agreed}, looked at {row.to_compare}, "
                f"not ours {row.strays}, needing a person {found}"
            )
            wrong += found
        bad = reconciling.crooked(organization_id)
        for one in bad:
            self.stdout.write(f"order row {one.order_id}: ledger {one.why}")
        self.stdout.write(f"ledger: {len(bad)} orders that do not add up")
        return wrong + len(bad)

    def _compared(self, organization_id: int) -> int:
        """Look at each doubtful payment now; how many need a person."""
        kinds = ("payment.compare", "payment.stray")
        mine = Effect.objects.filter(organization_id=organization_id, kind__in=kinds)
        for effect in mine.filter(state=State.PLANNED):
            outbox.run_inline(effect)
        return mine.filter(state=State.NEEDS_HUMAN).count()
