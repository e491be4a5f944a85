"""What is stuck says whom to call: the supplier behind it, or the EHR where its answer is what is missing."""

from typing import Any

from django.utils import timezone

from ehrcommerce.accounts.whom import whom_to_call
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.ehr import whom
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.outbox.models import Effect
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.suppliers.models import Supplier
from tests import factories
from tests.commerce.shop import Shop


def connection(shop: Shop, order: Order, **changes: Any) -> EhrConnection:
    row = factories.ehr_connection(shop.clinic, name="Alder EHR", **changes)
    for line in order.lines.select_related("offer_line"):
        ChartReference.objects.create(
            organization=shop.clinic, connection=row, key=line.offer_line.order_key, resource_type="DeviceRequest",
            resource_id="1", patient_id="2", created_at=timezone.now(),
        )  # fmt: skip
    return row


def effect(shop: Shop, kind: str, subject: object, code: str = "") -> Effect:
    return Effect(organization_id=shop.clinic.pk, kind=kind, subject=str(subject), code=code)


def test_each_stuck_effect_names_the_partner_behind_it(shop: Shop) -> None:
    order = shop.accepted(DEVICE)
    part = shop.fulfillment(order)
    Supplier.objects.filter(pk=part.supplier_id).update(
        owner="Dee", escalation="Lab desk, +1 360 555 0199", runbook_url="https://wiki.example/device"
    )
    connection(shop, order, owner="Eve", owner_contact="IT desk", runbook_url="https://wiki.example/ehr")
    (found,) = whom_to_call(effect(shop, "fulfillment.dispatch", part.public_id, "not_authorized"))
    assert str(found) == "Owner: Dee. Call: Lab desk, +1 360 555 0199. Runbook: https://wiki.example/device."
    (paid,) = whom_to_call(effect(shop, "payment.capture", shop.payment(order).public_id))
    assert paid.partner == "The payment"
    both = whom_to_call(effect(shop, "fulfillment.dispatch", part.public_id, "chart_not_permitted"))
    assert [one.owner for one in both] == ["Dee", "Eve"]
    line = order.lines.get()
    (ehr,) = whom_to_call(effect(shop, "chart.report", f"{line.public_id}:shipped"))
    assert str(ehr) == "Owner: Eve. Call: IT desk. Runbook: https://wiki.example/ehr."
    assert whom_to_call(effect(shop, "payment.reconcile", "2026-11-27")) == []


def test_an_alert_of_an_ehr_stands_on_the_first_page_with_whom_to_call(shop: Shop) -> None:
    row = connection(shop, shop.accepted(DEVICE), owner="Eve", owner_contact="IT desk")
    assert whom.ehrs_in_trouble().lines == []
    EhrConnection.objects.filter(pk=row.pk).update(alert="client_refused", standing_alerts=["client_refused"])
    (line,) = whom.ehrs_in_trouble().lines
    assert (line.what, "Owner: Eve. Call: IT desk." in line.why) == ("Alder EHR", True)
