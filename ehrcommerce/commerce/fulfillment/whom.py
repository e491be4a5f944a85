"""The supplier behind an effect, for the page of what is stuck."""

from ehrcommerce.accounts.whom import Contact
from ehrcommerce.commerce.fulfillment.models import Fulfillment, PharmacistQuestion
from ehrcommerce.commerce.orders.models import Payment
from ehrcommerce.outbox.models import Effect
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier

# Effects that wait for the chart and not for a supplier.
OF_THE_CHART = ("chart.report", "fulfillment.recheck", "fulfillment.relook")


def supplier_of(effect: Effect) -> Contact | None:
    supplier = _supplier(effect)
    if supplier is None:
        return None
    return Contact(supplier.name, supplier.owner, supplier.escalation, supplier.runbook_url)


def _supplier(effect: Effect) -> Supplier | None:
    if effect.kind in OF_THE_CHART:
        return None
    if effect.recipient:
        return chosen.by_party(effect.recipient, organization_id=effect.organization_id)
    mine = {"organization_id": effect.organization_id, "public_id": effect.subject}
    if effect.kind.startswith("payment.") and effect.kind not in ("payment.reconcile", "payment.stray"):
        return _of(Payment.objects.filter(**mine).select_related("supplier").first())
    if effect.kind == "fulfillment.answer":
        asked = PharmacistQuestion.objects.filter(**mine).select_related("fulfillment__supplier").first()
        return _of(asked.fulfillment) if asked else None
    if effect.kind.startswith("fulfillment.") and len(effect.subject) == 36:
        return _of(Fulfillment.objects.filter(**mine).select_related("supplier").first())
    return None


def _of(row: Payment | Fulfillment | None) -> Supplier | None:
    return row.supplier if row is not None else None
