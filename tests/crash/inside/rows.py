"""What `load_demo` leaves out since it would disturb most tests: an address at which the EHR may tell of changes, as a FHIR R4
rest-hook with payload does, and a rule
that answers the kits it tells of. `python -m tests.crash.inside.rows`, in a process that has loaded the app."""

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.ehr.models import AutomationRule, EhrConnection, RuleAction, Scheme, Subscription, SubscriptionState
from ehrcommerce.policy.packets import KIT
from ehrcommerce.vault import walls
from tests.crash.inside.arming import HOOK, HOOK_HEADER, HOOK_SECRET


def make() -> None:
    for organization_id in organization_ids():
        with walls.organization(organization_id):
            for connection in EhrConnection.objects.all():
                Subscription.objects.get_or_create(
                    hook_id=HOOK,
                    defaults={
                        "organization_id": organization_id, "connection": connection, "scheme": Scheme.REST_HOOK,
                        "state": SubscriptionState.ACTIVE, "header_name": HOOK_HEADER, "secret": HOOK_SECRET, "counted": False,
                        "created_at": timezone.now(),
                    },
                )  # fmt: skip
                _rule(connection)


def _rule(connection: EhrConnection) -> None:
    where, at = connection.organization_id, timezone.now()
    team, _ = User.objects.get_or_create(
        username="team-of-these-tests",
        defaults={
            "organization_id": where, "display_name": "The care team", "password": make_password(None),
            "issuer": connection.canonical_iss, "subject": "team",
        },
    )  # fmt: skip
    AutomationRule.objects.get_or_create(
        organization_id=where, name="Kits by themselves",
        defaults={
            "action": RuleAction.LINK, "kind": KIT, "enabled": True, "since": at, "clinician": team, "hold_minutes": 0,
            "created_at": at,
        },
    )  # fmt: skip


if __name__ == "__main__":
    make()
