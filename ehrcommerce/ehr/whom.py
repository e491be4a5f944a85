"""The EHR behind an effect that waits for the chart, and which EHRs are in trouble: whom to call, from the row."""

from uuid import UUID

from django.urls import reverse

from ehrcommerce.accounts.backoffice import EVERYBODY
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.whom import Contact
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.commerce.orders.models import OrderLine, Payment
from ehrcommerce.ehr import alerts
from ehrcommerce.ehr.models import ChartReference, EhrConnection
from ehrcommerce.outbox.models import Effect

# What an effect says while the chart is what it waits for.
WAITS_FOR_CHART = ("chart_", "ehr_")


def contact_of(connection: EhrConnection) -> Contact:
    return Contact(connection.name, connection.owner, connection.owner_contact, connection.runbook_url)


def ehr_of(effect: Effect) -> Contact | None:
    """None where the chart has no part in it."""
    if not (effect.kind.startswith("chart.") or effect.code.startswith(WAITS_FOR_CHART)):
        return None
    reference = ChartReference.objects.filter(organization_id=effect.organization_id, key__in=_keys(effect))
    row = reference.select_related("connection").first()
    return contact_of(row.connection) if row is not None else None


def _keys(effect: Effect) -> list[str]:
    name = effect.subject.partition(":")[0]
    try:
        subject = UUID(name)
    except ValueError:
        return []
    lines = OrderLine.objects.filter(organization_id=effect.organization_id)
    if effect.kind == "chart.report":
        lines = lines.filter(public_id=subject)
    elif effect.kind.startswith("payment."):
        lines = lines.filter(order__in=Payment.objects.filter(public_id=subject).values("order_id"))
    elif effect.kind == "fulfillment.recheck":
        lines = lines.filter(order__public_id=subject)
    else:
        lines = lines.filter(order__in=Fulfillment.objects.filter(public_id=subject).values("order_id"))
    return list(OfferLine.objects.filter(pk__in=lines.values("offer_line")).values_list("order_key", flat=True))


@panel(14, EVERYBODY)
def ehrs_in_trouble() -> Panel:
    """What stands at a connection until somebody settles it."""
    rows = EhrConnection.objects.exclude(alert="").order_by("name")[:SHOWN]
    lines = [
        Line(row.name, f"{alerts.SENTENCES.get(row.alert, row.alert)} {contact_of(row)}".strip(),
             reverse("admin:ehr_ehrconnection_change", args=[row.pk]))
        for row in rows
    ]  # fmt: skip
    more = reverse("admin:ehr_ehrconnection_changelist")
    return Panel("EHRs in trouble", "All EHRs are as they were recorded.", lines, more, urgent=True)
