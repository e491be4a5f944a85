"""No crossing without a live agreement (design law 9)."""

from datetime import datetime

from django.db.models import Q

from ehrcommerce.accounts.models import Agreement


class NoAgreement(Exception):
    """There is no live agreement with this party. An administrator records it under Agreements."""


def is_live(*, organization_id: int, party: str, at: datetime) -> bool:
    """True if an agreement with `party` covers the day of `at` (UTC). In an organization that is stopped (`manage.py
    revoke_all`) none does: this is asked before every crossing and every send, so one row stops them all."""
    day = at.date()
    rows = Agreement.objects.filter(
        organization_id=organization_id, organization__read_only_since=None, party=party, effective__lte=day
    )
    return rows.filter(Q(expires=None) | Q(expires__gte=day)).exists()


def require(*, organization_id: int, party: str, at: datetime) -> None:
    """Raises NoAgreement."""
    if not is_live(organization_id=organization_id, party=party, at=at):
        raise NoAgreement
