"""What the page of figures says of buying: how far links come, in which language, how long it takes, who proves who they are,
and why money went back. Counts only."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Min, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse

from ehrcommerce.accounts.backoffice import ADMINISTRATOR, EVERYBODY, OPERATIONS
from ehrcommerce.accounts.figures import Chart, Row, chart, share, span
from ehrcommerce.accounts.models import Role
from ehrcommerce.commerce.offers.models import LinkState, PurchaseLink
from ehrcommerce.commerce.orders.events import Code
from ehrcommerce.commerce.orders.models import Order, OrderEvent
from ehrcommerce.commerce.orders.states import OrderState

IDENTITY = frozenset({Role.SUPPORT, Role.OPERATIONS, Role.PRIVACY, Role.ADMINISTRATOR})
MONEY = OPERATIONS | ADMINISTRATOR
LANGUAGES = {"en": "English", "es": "Spanish"}
REACHED = (
    ("Sent", Q()), ("Opened", Q(opened_at__isnull=False)), ("Identity proven", Q(verified_at__isnull=False)),
    ("Ordered", Q(state=LinkState.COMPLETED)),
)  # fmt: skip
LEFT = (OrderState.SHIPPED, OrderState.DELIVERED, OrderState.COMPLETED, OrderState.RETURNED)


class Middle(Aggregate):
    """The value below which this part of the rows lies (PostgreSQL's percentile_cont)."""

    function, output_field = "PERCENTILE_CONT", DurationField()
    template = "%(function)s(%(part)s) WITHIN GROUP (ORDER BY %(expressions)s)"


def _sent(since: datetime) -> "QuerySet[PurchaseLink]":
    return PurchaseLink.objects.filter(sent_at__gte=since)


@chart(10, EVERYBODY)
def how_far(since: datetime) -> Chart:
    counts: dict[str, Any] = {f"n{place}": Count("pk", filter=which) for place, (_, which) in enumerate(REACHED)}
    found = _sent(since).aggregate(**counts)
    shipped = _sent(since).filter(offer__orders__state__in=LEFT).values("pk").distinct().count()
    numbers = [(name, found[f"n{place}"]) for place, (name, _) in enumerate(REACHED)] + [("Shipped", shipped)]
    address = reverse("admin:offers_purchaselink_changelist")
    rows = [Row(name, count, f"{count} ({share(count, found['n0'])})", address) for name, count in numbers]
    means = "Of the links that were sent in this time: how many came how far until now."
    return Chart("From the link to the parcel", means, rows if found["n0"] else [], ("Step", "Links"))


@chart(20, EVERYBODY)
def by_language(since: datetime) -> Chart:
    counted = _sent(since).values_list("offer__language").annotate(
        sent=Count("pk"), ordered=Count("pk", filter=Q(state=LinkState.COMPLETED))
    )  # fmt: skip
    rows = [
        Row(LANGUAGES.get(spoken, spoken), ordered * 1000 // sent, f"{share(ordered, sent)}, {ordered} of {sent}")
        for spoken, sent, ordered in sorted(counted)
    ]
    means = "Which part of the links became an order. If one language lags behind, something does not speak it well."
    return Chart("Orders by language", means, rows, ("Language", "Ordered, of sent"))


@chart(30, EVERYBODY)
def how_long(since: datetime) -> Chart:
    """Half of all were faster than the first number of each pair, 95 of 100 than the second."""
    shipped = OrderEvent.objects.filter(order=OuterRef("pk"), code=Code.SHIPPED).order_by("at").values("at")[:1]
    orders = Order.objects.filter(placed_at__gte=since).annotate(left=Subquery(shipped)).filter(left__isnull=False)
    rows = [
        *_spans("Link sent until opened", _sent(since).filter(opened_at__isnull=False), F("opened_at") - F("sent_at")),
        *_spans("Opened until identity proven", _sent(since).filter(verified_at__isnull=False, opened_at__isnull=False),
                F("verified_at") - F("opened_at")),
        *_spans("Ordered until shipped", orders, F("left") - F("placed_at")),
    ]  # fmt: skip
    means = "Half of the patients were faster than the first time, 95 of 100 than the second. Drawn: the first, in minutes."
    return Chart("How long it takes", means, rows, ("Step", "Half, 95 of 100"))


def _spans(name: str, rows: "QuerySet[Any]", taken: Any) -> Iterable[Row]:
    measured = rows.annotate(taken=ExpressionWrapper(taken, output_field=DurationField()))
    found = measured.aggregate(half=Middle("taken", part="0.5"), most=Middle("taken", part="0.95"))
    if found["half"] is not None:
        yield Row(name, int(found["half"].total_seconds()) // 60, f"{span(found['half'])}, {span(found['most'])}")


@chart(50, IDENTITY)
def identity(since: datetime) -> Chart:
    proven = PurchaseLink.objects.filter(verified_at__gte=since)
    found = proven.aggregate(at_once=Count("pk", filter=Q(tries_left=5)), later=Count("pk", filter=Q(tries_left__lt=5)))
    locked = PurchaseLink.objects.filter(state=LinkState.LOCKED, ended_at__gte=since).count()
    total = found["at_once"] + found["later"] + locked
    rows = [
        Row(name, count, f"{count} ({share(count, total)})", url)
        for name, count, url in (
            ("Right at the first try", found["at_once"], ""), ("Right at a later try", found["later"], ""),
            ("Locked after five", locked, reverse("admin:offers_purchaselink_changelist") + "?state__exact=locked"),
        )
    ]  # fmt: skip
    return Chart("Who proved who they are", "Answers to the question who is there.", rows if total else [], ("Answer", "Links"))


@chart(70, MONEY)
def why_money_went_back(since: datetime) -> Chart:
    """By the reason that began it; a refund that nobody asked for follows from what ended its order."""
    ended = OrderEvent.objects.filter(
        order=OuterRef("order"), code__in=(Code.REFUND_WANTED, Code.CANCELLED, Code.REFUSED, Code.RETURNED)
    ).order_by("-at").values("code")[:1]  # fmt: skip
    events = OrderEvent.objects.filter(code=Code.PAYMENT_REFUNDED, at__gte=since)
    first = events.values("order").annotate(at=Min("at"), why=Subquery(ended))
    counted: dict[str, int] = {}
    for row in first[:10_000]:
        name = str(row["why"] or "other").replace("_", " ")
        counted[name] = counted.get(name, 0) + 1
    rows = [Row(name.capitalize(), count, str(count)) for name, count in sorted(counted.items(), key=lambda one: -one[1])]
    return Chart("Why money went back", "Orders of which money was given back in this time.", rows, ("What began it", "Orders"))
