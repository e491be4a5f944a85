"""One sentence on the page of a partner: is there an agreement, and if not, where it is recorded."""

from urllib.parse import urlencode

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from ehrcommerce.accounts.models import Agreement


def footing_of(party: str, name: str) -> str:
    """HTML: the agreement in force with `party`, or a link to the form with the party filled in."""
    today = timezone.now().date()
    live = Agreement.objects.filter(Q(expires=None) | Q(expires__gte=today), party=party, effective__lte=today, state="active")
    found = live.order_by(F("expires").desc(nulls_first=True)).first()
    if found is not None:
        until = f"in force until {found.expires:%-d %b %Y}" if found.expires else "in force"
        return format_html('<a href="{}">{}</a>', reverse("admin:accounts_agreement_change", args=[found.pk]), until)
    address = f"{reverse('admin:accounts_agreement_add')}?{urlencode({'party': party, 'party_name': name})}"
    return format_html('<strong>None: nothing is sent.</strong> <a href="{}">Record one</a>', address)
