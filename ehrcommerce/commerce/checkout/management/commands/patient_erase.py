"""Erase one person, for the privacy officer."""

from typing import Any

from django.utils import timezone

from ehrcommerce.commerce.checkout import rights
from ehrcommerce.commerce.checkout.management.commands._person import PersonCommand
from ehrcommerce.vault import walls

WHY = {rights.OPEN_ORDER: "an order is still open", rights.LEGAL_HOLD: "a legal hold stands"}


class Command(PersonCommand):
    help = "Erases what is held of one person, at once where nothing forbids it. Audited. See docs/privacy-rights.md."

    def handle(self, *args: Any, **options: Any) -> None:
        with walls.organization(options["organization"]):
            customer_key, by = self.person(options)
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
