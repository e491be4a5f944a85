"""The ways back into the chart go when nothing here needs them any more: with the last words of the order, or when the
person asked to be forgotten. A row that is needed again is made again, by the next launch that sends."""

from datetime import datetime

from django.db.models import F, Func, IntegerField

from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.retention import BATCH, over_since
from ehrcommerce.ehr.models import ChartReference, Refill, RefillState
from ehrcommerce.policy import keeping


def erase_references(organization_id: int, at: datetime) -> int:
    """The eraser: references of which no offer has words left, and no fill is to come."""
    size = Func(F("packet"), function="octet_length", output_field=IntegerField())
    readable = OfferLine.objects.filter(organization_id=organization_id).annotate(size=size).filter(size__gt=0)
    held = OfferLine.objects.filter(offer__customer_key__in=holds.standing(organization_id, at))
    due = ChartReference.objects.filter(organization_id=organization_id, created_at__lte=over_since(keeping.OFFER, at))
    waiting = Refill.objects.filter(organization_id=organization_id, state=RefillState.WAITING)
    filled_again = OfferLine.objects.filter(pk__in=waiting.values("after__offer_line"))
    for needed in (readable, held, filled_again):
        due = due.exclude(key__in=needed.values("order_key")).exclude(key__in=needed.values("offer__customer_key"))
    pks = list(due.order_by("pk").values_list("pk", flat=True)[:BATCH])
    ChartReference.objects.filter(pk__in=pks).delete()
    return len(pks)


def forget(organization_id: int, customer_key: str, order_keys: frozenset[str]) -> int:
    """One person's, at once."""
    keys = [customer_key, *order_keys]
    return ChartReference.objects.filter(organization_id=organization_id, key__in=keys).delete()[0]
