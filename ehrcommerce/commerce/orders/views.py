"""The payment processor's callbacks: hints. The one thing done with them is to ask the processor."""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ehrcommerce.commerce.orders.models import Payment
from ehrcommerce.outbox import services as outbox
from ehrcommerce.suppliers import callbacks, chosen
from ehrcommerce.suppliers.models import Port, Supplier


@csrf_exempt  # signed by the processor; no browser and no cookie is involved
@require_POST
def payment_callback(request: HttpRequest, supplier_id: UUID) -> HttpResponse:
    return callbacks.receive(request, supplier_id, ports=(Port.PAYMENT,), take=_take)


def _take(supplier: Supplier, callback: callbacks.Callback, at: datetime) -> None:
    reference = callbacks.uuid_of(chosen.payments(supplier).read_callback(callback.body))
    payment = Payment.objects.filter(supplier=supplier, public_id=reference).first() if reference else None
    if payment is not None:
        outbox.plan_next(
            kind="payment.look", subject=str(payment.public_id), organization_id=payment.organization_id, at=at,
            even_if_running=True,
        )  # fmt: skip
