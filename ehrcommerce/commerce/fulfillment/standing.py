"""A person takes back their yes to orders to come: none begins any more without asking, and what began on that yes and has
not left is stopped (J8)."""

from datetime import datetime

from django.db import transaction

from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.fulfillment import services
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.disclosure import consent
from ehrcommerce.disclosure.models import Consent


@transaction.atomic
def take_back(
    *, organization_id: int, customer_key: str, by: Actor, at: datetime, recipient: str = "", reason: str = ""
) -> int:
    """To one recipient, or to everybody. Returns how many there were."""
    subject = consent.standing_subject(customer_key)
    taken = consent.withdraw(
        organization_id=organization_id, subject=subject, recipient=recipient, by=by, at=at, reason=reason
    )
    followed = Consent.objects.filter(organization_id=organization_id, standing__in=taken, withdrawn_at=None)
    offers = Offer.objects.filter(organization_id=organization_id, public_id__in=[one.subject for one in followed])
    for offer in offers.select_related("organization").order_by("pk"):
        services.withdraw_for(offer=offer, by=by, at=at, reason=reason or "standing_yes_taken_back")
    return len(taken)
