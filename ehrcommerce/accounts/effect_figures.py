"""What the page of figures says of the outside world: which acts fail, what waits for a person and since when, and how plans
answered."""

from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import ADMINISTRATOR, EVERYBODY, OPERATIONS
from ehrcommerce.accounts.figures import Chart, Row, chart, share, span
from ehrcommerce.accounts.words import title
from ehrcommerce.outbox.models import Effect, State

PLAN = "checkout.eligibility"
MOST = 15


@chart(60, EVERYBODY)
def what_fails(since: datetime) -> Chart:
    failed = Q(state__in=(State.REJECTED, State.NEEDS_HUMAN))
    begun = Effect.objects.filter(created_at__gte=since).values_list("kind").order_by()
    counted = begun.annotate(all=Count("pk"), bad=Count("pk", filter=failed)).filter(bad__gt=0)
    address = reverse("admin:outbox_effect_changelist")
    rows = [
        Row(title(kind), bad * 1000 // total, f"{share(bad, total)}, {bad} of {total}",
            f"{address}?{urlencode({'kind__exact': kind})}")
        for kind, total, bad in sorted(counted, key=lambda one: (-one[2] / one[1], one[0]))[:MOST]
    ]  # fmt: skip
    means = "Acts that were begun in this time and were refused, or wait for a person. What worked in the end is not here."
    return Chart("What fails", means, rows, ("Act", "Failed, of all"), nothing="Nothing failed in this time.")


@chart(5, EVERYBODY)
def what_waits(since: datetime) -> Chart:
    """As it stands now, whatever the time that was chosen."""
    at = timezone.now()
    waiting = Effect.objects.filter(state=State.NEEDS_HUMAN).values_list("kind", "code").order_by()
    counted = waiting.annotate(n=Count("pk"), oldest=Min("changed_at"))
    address = reverse("admin:outbox_effect_changelist")
    rows = [
        Row(f"{title(kind)}: {code}", n, f"{n}, oldest {span(at - oldest)}",
            f"{address}?{urlencode({'waits': 'person', 'code__exact': code})}")
        for kind, code, n, oldest in sorted(counted, key=lambda one: (-one[2], one[3]))[:MOST]
    ]  # fmt: skip
    means = "What waits for a person now, by its reason. The same reason many times is usually one fault."
    return Chart("Waits for a person", means, rows, ("Act and reason", "How many, since when"), nothing="Nothing waits.")


@chart(55, OPERATIONS | ADMINISTRATOR)
def plans(since: datetime) -> Chart:
    asked = Effect.objects.filter(kind=PLAN, created_at__gte=since).values_list("state", "code").order_by()
    counted: dict[str, int] = {}
    for state, code, n in asked.annotate(n=Count("pk")):
        name = "Answered" if state == State.DONE else f"{State(state).label}{f': {code}' if code else ''}"
        counted[name] = counted.get(name, 0) + n
    total = sum(counted.values())
    rows = [
        Row(name, n, f"{n} ({share(n, total)})") for name, n in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    ][:MOST]
    return Chart("Questions to health plans", "How each ended.", rows, ("End", "Questions"))
