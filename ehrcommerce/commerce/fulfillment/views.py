"""Callbacks of suppliers and carriers: hints. The one thing done with them is to ask whoever called."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ehrcommerce.commerce.fulfillment.models import Fulfillment, Shipment, tracking_digest
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import callbacks, chosen
from ehrcommerce.suppliers.models import Port, Supplier


@csrf_exempt  # signed by the supplier; no browser and no cookie is involved
@require_POST
def supplier_callback(request: HttpRequest, supplier_id: UUID) -> HttpResponse:
    ports = (Port.PHARMACY, Port.DEVICE, Port.KIT, Port.CARRIER)
    return callbacks.receive(request, supplier_id, ports=ports, take=_take)


def _take(supplier: Supplier, callback: callbacks.Callback, at: datetime) -> None:
    if supplier.port == Port.CARRIER:
        _take_from_carrier(supplier, callback, at)
        return
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


def _take_from_carrier(supplier: Supplier, callback: callbacks.Callback, at: datetime) -> None:
    """A carrier knows numbers: the blind index finds the parcel, and the carrier is asked about it and about the others
    of the same part: only all of them together say how it stands."""
    digest = tracking_digest(supplier.organization_id, chosen.carrier(supplier).read_callback(callback.body))
    if not digest:
        return
    parcels = Shipment.objects.filter(organization_id=supplier.organization_id, tracking_digest=digest)
    for fulfillment in Fulfillment.objects.filter(pk__in=parcels.values("fulfillment_id")).order_by("pk"):
        outbox.plan_next(
            kind="fulfillment.look_parcel", subject=str(fulfillment.public_id),
            organization_id=fulfillment.organization_id, at=at, even_if_running=True,
        )  # fmt: skip
