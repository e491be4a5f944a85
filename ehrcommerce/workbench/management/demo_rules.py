"""What happens by itself in the demo: two rules, and one patient who said yes to kits before. Sign one of Tobias Wren's drafts
in the EHR, and within a minute a kit is on its way, or a text on his phone."""

from datetime import datetime
from typing import Final

from django.contrib.auth.hashers import make_password

from ehrcommerce.accounts.models import User
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.disclosure import consent
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import AutomationRule, ChartReference, EhrConnection, RuleAction
from ehrcommerce.policy.packets import KIT, PRESCRIPTION
from ehrcommerce.suppliers.models import Supplier

PATIENT: Final = "tobias-wren"
PAID_BY_THE_CLINIC: Final = ("KT-FERRITIN", "KT-VITAMIN-D")
HOLD_MINUTES: Final = 1
YES: Final = "The clinic may send me collection kits that it ordered for me, without asking each time."


def automate(connection: EhrConnection, laboratory: Supplier, *, at: datetime) -> None:
    """Switch it on. A second time changes nothing."""
    Product.objects.filter(organization_id=connection.organization_id, sku__in=PAID_BY_THE_CLINIC).update(price_cents=0)
    team = _team(connection)
    _rule(
        connection,
        team,
        at,
        "Kits that the clinic pays for",
        RuleAction.KIT,
        kind=KIT,
        skus=" ".join(PAID_BY_THE_CLINIC),
    )
    _rule(
        connection, team, at, "Prescriptions that were e-prescribed", RuleAction.LINK, kind=PRESCRIPTION,
        routing_proof="e_prescription",
    )  # fmt: skip
    _says_yes(connection, laboratory, team, at)


def _team(connection: EhrConnection) -> User:
    """In whose name links go out while no clinician has opened the app yet."""
    made, _ = User.objects.get_or_create(
        username="clinic-team",
        defaults={
            "organization_id": connection.organization_id, "display_name": "The care team", "password": make_password(None),
            "issuer": connection.canonical_iss, "subject": "clinic-team",
        },
    )  # fmt: skip
    return made


def _rule(connection: EhrConnection, team: User, at: datetime, name: str, action: str, **about: str) -> None:
    AutomationRule.objects.get_or_create(
        organization_id=connection.organization_id, name=name,
        defaults={
            "action": action, "enabled": True, "since": at, "clinician": team, "hold_minutes": HOLD_MINUTES, "created_at": at,
            **about,
        },
    )  # fmt: skip


def _says_yes(connection: EhrConnection, laboratory: Supplier, team: User, at: datetime) -> None:
    """He is known here, and the clinic attests that he agreed."""
    key = chart_key(connection.public_id, "Patient", PATIENT)
    ChartReference.objects.get_or_create(
        organization_id=connection.organization_id, key=key,
        defaults={
            "connection": connection, "resource_type": "Patient", "resource_id": PATIENT, "patient_id": PATIENT,
            "created_at": at,
        },
    )  # fmt: skip
    consent.give(
        organization_id=connection.organization_id, customer_key=key, subject=consent.standing_subject(key),
        wanted=[consent.Wanted(KIT, laboratory.party, laboratory.name)], language="en", text=YES, identity_level=2,
        by=audit.system("load_demo"), at=at, attested=(str(team.actor), at.date()),
    )  # fmt: skip
