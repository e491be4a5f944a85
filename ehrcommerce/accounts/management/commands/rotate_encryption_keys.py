"""Take every value away from an old configured key, while the app runs."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import approvals, shell
from ehrcommerce.vault import rotation, walls

MOST_ROUNDS = 5


class Command(BaseCommand):
    help = (
        "Seals everything under the first key of EHRC_FIELD_KEYS, in batches, while the app runs; may be stopped and "
        "started again at any moment. Afterwards the other keys can be removed. Two people agree first; their approval is "
        "spent when nothing is left to move. With --emergency one administrator begins at once, and another one looks at it "
        "afterwards. See docs/keys.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count what still needs an old key; change nothing")
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows at a time (200)")
        parser.add_argument("--emergency", action="store_true", help="a key is known to somebody else: do not wait")
        shell.add_organization(parser)
        shell.add_emergency(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"sealing key: {rotation.current()}")
        others = [key_id for key_id in settings.FIELD_KEYS if key_id != rotation.current()]
        if not options["dry_run"]:
            self._agreed(options)
            self._rotate(options["batch"])
        left = rotation.everything(write=False, batch=options["batch"]).left
        for name, count in sorted(left.items()):
            self.stdout.write(f"  still to move: {count:>7}  {name}")
        if left and not options["dry_run"]:
            raise CommandError(
                "Not all was moved. What no key opens is named above; put its key back or see docs/keys.md."
            )
        if not left:
            rest = f" Remove from EHRC_FIELD_KEYS: {', '.join(others)}." if others else ""
            self.stdout.write(f"Nothing needs another key.{rest}")
            if not options["dry_run"] and not options["emergency"]:
                self._spent(options)

    def _agreed(self, options: dict[str, Any]) -> None:
        """A run that was stopped goes on under the same approval: it is spent at the end."""
        organization_id = shell.organization_of(options)
        with walls.organization(organization_id), transaction.atomic():
            if options["emergency"]:
                shell.afterwards("keys_review", "Values sealed under a new key in an emergency", options)
                return
            act = approvals.act("keys")
            held = approvals.approved(kind="keys", entity=act, organization_id=organization_id, at=timezone.now())
            if held is None:
                raise CommandError(shell.not_approved("keys"))
            self._approval = held

    def _spent(self, options: dict[str, Any]) -> None:
        organization_id = shell.organization_of(options)
        with walls.organization(organization_id):
            approvals.use(self._approval, at=timezone.now())

    def _rotate(self, batch: int) -> None:
        """Round after round: processes that were not restarted yet may still seal under the old key meanwhile."""
        for _ in range(MOST_ROUNDS):
            tally = rotation.everything(write=True, batch=batch)
            for name, count in sorted(tally.moved.items()):
                self.stdout.write(f"  moved: {count:>7}  {name}")
            for one in tally.held:
                self.stderr.write(f"  held, not changed: {one}")
            if not tally.moved:
                return
