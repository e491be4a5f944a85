"""Suppliers' callbacks: hints. The one thing done with them is to ask the supplier."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import callbacks, chosen
from ehrcommerce.suppliers.models import Port, Supplier


@csrf_exempt  # signed by the supplier; no browser and no cookie is involved
@require_POST
def supplier_callback(request: HttpRequest, supplier_id: UUID) -> HttpResponse:
    return callbacks.receive(request, supplier_id, ports=(Port.PHARMACY, Port.DEVICE, Port.KIT), take=_take)


def _take(supplier: Supplier, callback: callbacks.Callback, at: datetime) -> None:
    reference = callbacks.uuid_of(chosen.fulfiller(supplier).read_callback(callback.body))
    fulfillment = Fulfillment.objects.filter(supplier=supplier, public_id=reference).first() if reference else None
    if fulfillment is not None:
        outbox.plan_next(
            kind="fulfillment.look",
            subject=str(fulfillment.public_id),
            organization_id=fulfillment.organization_id,
            at=at,
            even_if_running=True,
        )
