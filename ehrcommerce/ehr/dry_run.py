"""What a rule would have done last week: over what is stored of orders that were offered and of events that came. Nothing is
read of a chart, and nothing is written."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.offers.models import OfferLine
from ehrcommerce.ehr import automation, kits
from ehrcommerce.ehr.models import AutomationRule, ChartReference, Notification, RuleAction
from ehrcommerce.policy import derive
from ehrcommerce.policy.digests import from_json
from ehrcommerce.policy.packets import ChartOrder, OrderState

WEEK = timedelta(days=7)
MOST = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One order of last week. `told`: how often an event named it; `action` and `code` as an act would have them; an empty
    action: the rule is not about it."""

    at: datetime
    sku: str
    orderer_npi: str
    told: int
    action: str
    code: str


@dataclass(frozen=True, slots=True)
class Trial:
    """`unknown`: orders of this type that events named and that nobody here sells or knows: whose they are, and whether the
    rule is about them, is not stored."""

    since: datetime
    lines: tuple[Line, ...]
    others: int
    unknown: int
    complete: bool

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(line.action for line in self.lines)
        return {action.value: found[action.value] for action in RuleAction}

    @property
    def repeated(self) -> int:
        """Events beyond the first of an order: nothing more would have followed from them."""
        return sum(line.told - 1 for line in self.lines if line.told > 1)


def trial(rule: AutomationRule, *, at: datetime, days: timedelta = WEEK) -> Trial:
    """Call inside the walls."""
    since, where = at - days, rule.organization_id
    events = Notification.objects.filter(
        organization_id=where, received_at__gte=since, resource_type=derive.ORDER_TYPE[rule.kind]
    )
    if rule.connection_id is not None:
        events = events.filter(connection_id=rule.connection_id)
    told = Counter(events.values_list("focus", flat=True))
    rows = OfferLine.objects.filter(
        Q(offer__created_at__gte=since) | Q(order_key__in=list(told)), organization_id=where
    )
    newest: dict[str, OfferLine] = {}
    found = rows.filter(kind=rule.kind).select_related("product", "offer").order_by("-pk")
    for line in found[: MOST + 1]:
        newest.setdefault(line.order_key, line)
    refs = ChartReference.objects.filter(organization_id=where, key__in=newest)
    ehr_of = dict(refs.values_list("key", "connection_id"))
    tried = [_line(rule, line, told[key], ehr_of.get(key), at) for key, line in newest.items() if line.packet]
    kept = tuple(one for one in tried if one.action)
    known = set(
        OfferLine.objects.filter(organization_id=where, order_key__in=list(told)).values_list("order_key", flat=True)
    )
    return Trial(since, kept, len(tried) - len(kept), len(told.keys() - known), len(found[: MOST + 1]) <= MOST)


def _line(rule: AutomationRule, line: OfferLine, told: int, connection_id: int | None, at: datetime) -> Line:
    item, product = from_json(line.packet), line.product
    order = ChartOrder(item, OrderState(line.version, "", "active", held=("released",) if line.released_at else ()))
    action = code = ""
    if automation.fits(rule, connection_id=connection_id or 0, item=item, product=product):
        made = automation.made_of(rule, order, product, at)
        action, code = made.action, made.code
        if action == RuleAction.KIT and (why := _why_not_without_asking(line, product)):
            action, code = RuleAction.LINK.value, why
    return Line(line.offer.created_at, line.sold_as, item.orderer_npi, told, str(action), code)


def _why_not_without_asking(line: OfferLine, product: Product) -> str:
    """As far as it is stored: the address is read at the moment of shipping alone."""
    if not kits.standing(line.organization_id, line.offer.customer_key):
        return "no_consent"
    return "not_free" if product.price_cents != 0 else ""
