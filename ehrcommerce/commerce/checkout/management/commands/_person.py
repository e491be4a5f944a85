"""What patient_export and patient_erase have in common: who asks, why, and for whom."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout.people import customer_of
from ehrcommerce.commerce.checkout.rights import NothingHeld


class PersonCommand(BaseCommand):
    """Runs inside the walls of `--organization`."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", type=int, required=True, help="the id of the organization")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--order", default="", help="an order's number or id")
        who.add_argument("--offer", default="", help="an offer's id")
        who.add_argument("--contact", default="", help="a phone number or mail address")
        parser.add_argument("--by", required=True, metavar="USERNAME", help="the privacy officer who asks")
        parser.add_argument("--reason", required=True, help="a word or two, without a name: request-2026-14")

    def person(self, options: dict[str, Any]) -> tuple[str, Actor]:
        """The person's key, and who asks. Only an active privacy officer may."""
        officer = User.objects.filter(
            organization_id=options["organization"], username=options["by"], role=Role.PRIVACY, is_active=True
        ).first()
        if officer is None:
            raise CommandError("--by names no active privacy officer of this organization.")
        if not options["reason"].strip() or len(options["reason"]) > 64:
            raise CommandError("--reason is 1 to 64 characters.")
        try:
            found = customer_of(
                organization_id=options["organization"], order=options["order"], offer=options["offer"],
                contact=options["contact"],
            )  # fmt: skip
        except NothingHeld as problem:
            raise CommandError(str(NothingHeld.__doc__)) from problem
        return found, officer.actor
