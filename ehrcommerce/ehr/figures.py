"""What the page of figures says of the EHR side: how many launches each connection had, and what clinicians sent from them."""

from datetime import datetime

from django.db.models import Count

from ehrcommerce.accounts.backoffice import EVERYBODY
from ehrcommerce.accounts.figures import Chart, Row, chart, share
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.ehr.models import EhrSession


@chart(40, EVERYBODY)
def launches(since: datetime) -> Chart:
    """A launch that led to nothing may be right: the clinician looked whether the patient has paid."""
    counted = EhrSession.objects.filter(started_at__gte=since).values_list("connection__name").annotate(n=Count("pk"))
    found = sorted(counted, key=lambda one: (-one[1], one[0]))
    total = sum(count for _, count in found)
    sent = Offer.objects.filter(created_at__gte=since, by_rule=None).count()
    rows = [Row(name, count, str(count)) for name, count in found]
    if total:
        rows.append(Row("Links sent by hand", sent, f"{sent} ({share(sent, total)})"))
    return Chart("Launches from each EHR", "And how many links clinicians sent from them.", rows, ("Connection", "Launches"))
