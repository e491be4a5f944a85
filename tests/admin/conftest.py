"""The back office in this process: one user of each role at a clinic that has a row of everything."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.models import Organization, ProposedChange, Role, User
from ehrcommerce.vault import walls
from tests import factories
from tests.commerce.fixtures import commits, shop, transactional_db
from tests.commerce.shop import Shop

__all__ = ["commits", "shop", "transactional_db"]
STAFF = (
    Role.SUPPORT, Role.OPERATIONS, Role.FULFILLMENT, Role.CATALOG, Role.PRIVACY, Role.INTEGRATION, Role.ADMINISTRATOR,
)  # fmt: skip
PASSWORD = "correct horse battery staple"
SignedIn = Callable[[str], Client]


class StaffClient(Client):
    """Stands in the walls of its user again after each request, so that the test can look at rows."""

    organization_id = 0

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        walls.enter(self.organization_id)
        return answer


def signed_in(user: User) -> Client:
    """A client of somebody who gave password and code."""
    client = StaffClient()
    client.organization_id = user.organization_id
    with walls.organization(user.organization_id):
        client.force_login(user, backend="ehrcommerce.accounts.login.StaffBackend")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.get(user=user).persistent_id
        session.save()
    return client


def staff_user(clinic: Organization, role: str, **changes: Any) -> User:
    fields = {"role": role, "is_superuser": role == Role.ADMINISTRATOR, **changes}
    return factories.staff(clinic, username=f"{role}-{clinic.pk}", password=PASSWORD, **fields)


@pytest.fixture
def as_role(shop: Shop) -> SignedIn:
    """A client for each role of the staff, made when first asked for."""
    made: dict[str, Client] = {}

    def sign_in(role: str) -> Client:
        if role not in made:
            made[role] = signed_in(staff_user(shop.clinic, role))
        walls.enter(shop.clinic.pk)
        return made[role]

    return sign_in


@pytest.fixture
def ending(shop: Shop) -> date:
    """An agreement of the shop that ends in ten days."""
    day = timezone.now().date() + timedelta(days=10)
    factories.agreement(shop.clinic, "supplier:some", party_name="Fading Partner", expires=day)
    return day


def second_approves(clinic: Organization) -> None:
    """Another person with the right lets the last proposal happen."""
    user = User.objects.filter(username=f"approver-{clinic.pk}").first()
    user = user or factories.staff(clinic, username=f"approver-{clinic.pk}", password=PASSWORD)
    approvals.approve(change=ProposedChange.objects.filter(state="open").latest("pk"), by=user, at=timezone.now())
