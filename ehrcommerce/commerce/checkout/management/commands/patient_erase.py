"""Erase one person, for the privacy officer."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts import approvals, shell
from ehrcommerce.commerce.checkout import rights
from ehrcommerce.commerce.checkout.management.commands._person import PersonCommand
from ehrcommerce.vault import walls

WHY = {rights.OPEN_ORDER: "an order is still open", rights.LEGAL_HOLD: "a legal hold stands"}


class Command(PersonCommand):
    help = (
        "Erases what is held of one person, at once where nothing forbids it. Audited. Two people agree first, in the back "
        "office, on this person. See docs/privacy-rights.md."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with walls.organization(options["organization"]), transaction.atomic():
            customer_key, by = self.person(options)
            shell.spend("purge", options["organization"], approvals.person(customer_key))
            request = rights.ask_to_erase(
                organization_id=options["organization"], customer_key=customer_key, reason=options["reason"].strip(),
                by=by, at=timezone.now(),
            )  # fmt: skip
        if request.done_at:
            self.stdout.write("Erased. What proves and counts stays: audit, receipts, books.")
        else:
            self.stdout.write(
                f"Not all is erased yet: {WHY[request.waits_for]}. The rest goes by itself when that ends."
            )
