"""What a command asks at a terminal before it does what one person must not do alone (approvals.py). Who stands at a
terminal is not known to the app, so the proposal and the approval are made in the back office, signed in, and the command
spends them. What cannot wait names who does it, and another person looks at it afterwards."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import ProposedChange, Role, User
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.vault import walls

WHY_LENGTH = 120


def add_organization(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--organization",
        type=int,
        help="whose two administrators agreed; may be left out where there is one organization",
    )


def add_emergency(parser: ArgumentParser) -> None:
    parser.add_argument("--by", default="", metavar="USERNAME", help="in an emergency: the administrator who does it")
    parser.add_argument("--reason", default="", help="in an emergency: why, in a few words, without a name")


def organization_of(options: dict[str, Any]) -> int:
    """The organization whose administrators decide on what belongs to the whole installation."""
    if options["organization"]:
        return int(options["organization"])
    found = organization_ids()
    if len(found) != 1:
        raise CommandError("Name the organization whose administrators agreed: --organization ID.")
    return found[0]


def spend(kind: str, organization_id: int, entity: str = "") -> None:
    """Inside the walls. Raises CommandError, which says how to get the approval."""
    try:
        approvals.spend(
            kind=kind, entity=entity or approvals.act(kind), organization_id=organization_id, at=timezone.now()
        )
    except approvals.NotApproved as problem:
        raise CommandError(not_approved(kind)) from problem


def not_approved(kind: str) -> str:
    return f'{approvals.NotApproved.__doc__} Choose there: "{approvals.KINDS[kind].title}".'


def afterwards(kind: str, what: str, options: dict[str, Any]) -> ProposedChange:
    """Inside the walls: it is done now by --by, for --reason, and waits for a second person's look."""
    by = User.objects.filter(username=options["by"], role=Role.ADMINISTRATOR, is_active=True).first()
    why = " ".join(str(options["reason"]).split())
    if by is None or by.organization_id != walls.current():
        raise CommandError("In an emergency say who does it: --by names no active administrator of this organization.")
    if not 3 <= len(why) <= WHY_LENGTH:
        raise CommandError(f"In an emergency say why: --reason is 3 to {WHY_LENGTH} characters, without a name.")
    return approvals.afterwards(kind=kind, what=what, why=why, by=by, at=timezone.now())
