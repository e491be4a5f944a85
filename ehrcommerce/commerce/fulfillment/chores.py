"""What time does to fulfillments: a parcel that was delivered and did not come back is complete."""

from datetime import datetime, timedelta

from django.db import transaction

from ehrcommerce.commerce.fulfillment import progress
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.orders.states import OrderState

COMPLETE_AFTER = timedelta(days=14)
BATCH = 100


def complete_delivered(organization_id: int, at: datetime) -> int:
    """Kits too: when the laboratory has said nothing for so long, it will not."""
    due = Fulfillment.objects.filter(
        organization_id=organization_id, state=OrderState.DELIVERED, changed_at__lte=at - COMPLETE_AFTER
    )
    for public_id in (found := list(due.order_by("pk").values_list("public_id", flat=True)[:BATCH])):
        with transaction.atomic():
            order, fulfillment = progress.lock(str(public_id))
            if fulfillment.state == OrderState.DELIVERED:
                progress.step(order, fulfillment, OrderState.COMPLETED, by=progress.system(), at=at)
    return len(found)
