"""Ids that the box of the back office knows here: launches, what rules did, and references to the chart of what was sent."""

import re
from collections.abc import Iterator

from django.urls import reverse

from ehrcommerce.accounts.backoffice import EVERYBODY, INTEGRATION, PRIVACY
from ehrcommerce.accounts.finding import Found, finder, uuid_in
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.models import AutomaticAct, EhrConnection, EhrSession

REFERENCE = re.compile(r"(?:.*/)?(MedicationRequest|DeviceRequest|ServiceRequest)/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
MOST = 5


@finder(INTEGRATION | PRIVACY)
def launches(text: str) -> Iterator[Found]:
    public_id = uuid_in(text)
    rows = EhrSession.objects.filter(public_id=public_id) if public_id else EhrSession.objects.none()
    for row in rows:
        yield Found(str(row.public_id), "a launch", reverse("admin:ehr_ehrsession_change", args=[row.pk]))


@finder(EVERYBODY)
def acts(text: str) -> Iterator[Found]:
    public_id = uuid_in(text)
    rows = AutomaticAct.objects.filter(public_id=public_id) if public_id else AutomaticAct.objects.none()
    for row in rows:
        yield Found(str(row.public_id), "what a rule did", reverse("admin:ehr_automaticact_change", args=[row.pk]))


@finder(EVERYBODY)
def chart_orders(text: str) -> Iterator[Found]:
    """`MedicationRequest/123`, as the EHR spells it, with or without its address: the purchases that came of it. Found by
    the opaque key alone, so nothing of the chart is opened."""
    found = REFERENCE.fullmatch(text)
    if found is None:
        return
    keys = [chart_key(each.public_id, found[1], found[2]) for each in EhrConnection.objects.only("public_id")]
    offers = Offer.objects.filter(lines__order_key__in=keys).distinct().order_by("-pk")[:MOST]
    ordered = {order.offer_id: order for order in Order.objects.filter(offer__in=[each.pk for each in offers])}
    for offer in offers:
        order = ordered.get(offer.pk)
        if order is not None:
            yield Found(order.number, "ordered for it", reverse("admin:orders_order_change", args=[order.pk]))
        else:
            yield Found(str(offer), "offered for it", reverse("admin:offers_offer_change", args=[offer.pk]))
