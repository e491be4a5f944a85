"""Who may send what: whether a link waits for a prescriber, and whether somebody is the one who signed an order."""

from collections.abc import Iterable

from ehrcommerce.accounts.models import Approval, Role, User
from ehrcommerce.policy.packets import PRESCRIPTION, OrderedItem


def needs_approval(by: User, kinds: Iterable[str]) -> bool:
    """Whether a prescriber must send what this user prepares, by the clinic's setting."""
    wanted = by.organization.approval
    if by.role == Role.PRESCRIBER or wanted == Approval.NONE:
        return False
    return wanted == Approval.EVERYTHING or PRESCRIPTION in kinds


def is_prescriber(user: User, item: OrderedItem) -> bool:
    """Whether this user signed the order: by NPI, where the order has one; else whoever may prescribe here."""
    if item.orderer_npi:
        return bool(user.npi) and user.npi == item.orderer_npi
    return user.role == Role.PRESCRIBER
