"""What follows by itself from an order of the chart: which rule fits, how far it may go, and one row for one version of one
order, however often it is told, late or out of order. Nothing goes out here: the row waits for the end of its hold, in
which a clinician can undo it (automatic.py does it then)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from django.db import transaction

from ehrcommerce.accounts.models import EHR_ROLES, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import CHANGED, LinkState, OfferLine
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.access import FhirAccess
from ehrcommerce.disclosure.retention import BATCH, over_since
from ehrcommerce.ehr import references
from ehrcommerce.ehr.arrivals import Arrival
from ehrcommerce.ehr.models import OPEN_ACTS, ActState, AutomaticAct, AutomationRule, EhrConnection, RuleAction
from ehrcommerce.ehr.schemes import instant
from ehrcommerce.outbox import services as outbox
from ehrcommerce.policy import keeping
from ehrcommerce.policy.digests import digest
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, OrderedItem

KIND = "ehr.automatic"
# A link that could not be made for so long after its hold is prepared for the clinician instead.
DONE_WITHIN = timedelta(days=2)
AHEAD = timedelta(days=30)
SENT_BY_HAND = "sent_by_hand"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule makes of an order. `code` says why it is less than the rule wants; "" where it is all."""

    rule: AutomationRule
    product: Product
    action: str
    code: str
    clinician: User | None


def actor_of(rule: AutomationRule) -> Actor:
    return Actor("rule", str(rule.public_id))


def rules_of(organization_id: int) -> list[AutomationRule]:
    """Those that are on, in the order in which they are asked."""
    rules = AutomationRule.objects.filter(organization_id=organization_id, enabled=True)
    return list(rules.select_related("organization", "clinician").order_by("place", "pk"))


def any_rule(organization_id: int) -> bool:
    """Whether anything happens by itself here: else no order is read for it."""
    return AutomationRule.objects.filter(organization_id=organization_id, enabled=True).exists()


def fits(rule: AutomationRule, *, connection_id: int, item: OrderedItem, product: Product) -> bool:
    """Whether this rule is about such an order. Empty criteria limit nothing."""
    return (
        rule.kind == item.kind
        and rule.connection_id in (None, connection_id)
        and (not rule.npis or item.orderer_npi in rule.npis.split())
        and (not rule.skus or any(fnmatchcase(product.sku, pattern) for pattern in rule.skus.split()))
    )


def is_older(rule: AutomationRule, order: ChartOrder) -> bool:
    """Whether the order was there before the rule was switched on: a rule begins with what comes, not with the past."""
    if rule.since is None:
        return True
    updated = instant(order.state.updated_at)
    if updated is not None and updated < rule.since:
        return True
    day = rule.since.astimezone(ZoneInfo(rule.organization.time_zone)).date().isoformat()
    return order.item.ordered_on[:10] < day if order.item.ordered_on else updated is None


def wish(
    rules: Iterable[AutomationRule], order: ChartOrder, match: catalog.Match, *, connection_id: int, at: datetime
) -> Wish | None:
    """What the first rule that fits makes of this order; None where none does, or nothing may be sold."""
    if order.state.refusal or match.product is None or match.refusal:
        return None
    for rule in rules:
        if fits(rule, connection_id=connection_id, item=order.item, product=match.product):
            return None if is_older(rule, order) else made_of(rule, order, match.product, at)
    return None


def made_of(rule: AutomationRule, order: ChartOrder, product: Product, at: datetime) -> Wish:
    """What this rule makes of an order that it is about."""
    clinician = _clinician(rule, order.item)
    code = ""
    if rule.action != RuleAction.DRAFT:
        code = why_not_alone(order, product, rule.routing_proof, at) or ("" if clinician else "no_clinician")
    return Wish(rule, product, RuleAction.DRAFT if code else rule.action, code, clinician)


def why_not_alone(order: ChartOrder, product: Product, routing_proof: str, at: datetime) -> str:
    """Why a person must look at this order before anything goes out; "" where none need."""
    if order.state.held:
        return "words_held"
    if catalog.doubts_about([(order.item, product)])[order.item.key]:
        return "unusual_value"
    if order.item.kind == PRESCRIPTION and not product.over_the_counter and not routing_proof:
        return "no_routing_proof"
    if order.item.occurrence[:10] > (at + AHEAD).date().isoformat():
        return "occurs_later"
    return ""


def _clinician(rule: AutomationRule, item: OrderedItem) -> User | None:
    """In whose name: the prescriber's, where they are known here; else the one that the rule names."""
    known = User.objects.filter(organization_id=rule.organization_id, role__in=EHR_ROLES, is_active=True)
    mine = known.filter(npi=item.orderer_npi).order_by("pk").first() if item.orderer_npi else None
    return mine or (rule.clinician if rule.clinician and rule.clinician.is_active else None)


def know(access: FhirAccess, connection: EhrConnection, at: datetime) -> None:
    """A clinician opened this chart: where something happens by itself, it may from now on for this patient too."""
    where = connection.organization_id
    if any_rule(where) and not references.find(organization_id=where, keys=[access.customer_key]):
        references.remember(organization_id=where, connection=connection, access=access, keys=[], at=at)


# ------------------------------------------------------------------------------------------------------ one row a version
def consider(arrival: Arrival) -> None:
    """The consumer of arrivals.py."""
    item = arrival.order.item

    def remember() -> None:
        references.remember(
            organization_id=arrival.organization_id, connection=arrival.connection, access=arrival.access,
            keys=[arrival.customer_key, item.key], at=arrival.at,
        )  # fmt: skip

    weigh(arrival.connection, arrival.order, arrival.customer_key, arrival.at, remember=remember)


def weigh(
    connection: EhrConnection, order: ChartOrder, customer_key: str, at: datetime, *,
    remember: Callable[[], object] = lambda: None,
) -> AutomaticAct | None:  # fmt: skip
    """This order stands so in the chart now: end what waits for another version of it, and begin what follows. Call
    inside the walls, without a transaction. Returns the new act, None where there is none."""
    organization_id, item = connection.organization_id, order.item
    rules = rules_of(organization_id)
    # A code that nobody called certain is in the queue by now (waiting.py): nothing follows from it by itself.
    match = catalog.match(item, organization_id=organization_id, unattended=True) if rules else catalog.Match(None)
    wanted = wish(rules, order, match, connection_id=connection.pk, at=at)
    with transaction.atomic():
        offers.alone_with(organization_id, customer_key)
        last = _end_older(organization_id, order, at)
        if wanted is None or (last and _same(last, item) and last.state not in (ActState.CHANGED, ActState.STOPPED)):
            return None
        if is_offered(organization_id, item.key, digest(item)):
            return None
        remember()
        return _begin(connection, order, customer_key, wanted, at)


def _end_older(organization_id: int, order: ChartOrder, at: datetime) -> AutomaticAct | None:
    """End what waits for a version that is not the chart's any more, also of an order that this one replaces. Returns the
    newest act of this order."""
    acts = AutomaticAct.objects.select_for_update().filter(organization_id=organization_id)
    for act in acts.filter(order_key__in=order.state.replaces, state__in=OPEN_ACTS):
        end(act, ActState.CHANGED, "replaced", by=audit.system("chart"), at=at)
    last = acts.filter(order_key=order.item.key).order_by("-pk").first()
    if last is not None and last.state in OPEN_ACTS:
        if order.state.refusal:
            end(last, ActState.STOPPED, order.state.refusal, by=audit.system("chart"), at=at)
        elif not _same(last, order.item):
            end(last, ActState.CHANGED, CHANGED, by=audit.system("chart"), at=at)
    return last


def _same(act: AutomaticAct, item: OrderedItem) -> bool:
    """A new version with the same digest (somebody added a note) is the same order."""
    return bytes(act.digest) == digest(item)


def is_offered(organization_id: int, order_key: str, as_it_stands: bytes) -> bool:
    """Whether this order, as it stands, was sent to the patient already, by whomever, and whatever became of it."""
    lines = OfferLine.objects.filter(organization_id=organization_id, order_key=order_key)
    line = lines.select_related("offer").order_by("-pk").first()
    if line is None or bytes(line.digest) != as_it_stands:
        return False
    link = line.offer.links.order_by("-pk").first()
    return link is None or not (link.state == LinkState.SUPERSEDED and link.end_reason == CHANGED)


def _begin(connection: EhrConnection, order: ChartOrder, customer_key: str, wanted: Wish, at: datetime) -> AutomaticAct:
    waits = wanted.action != RuleAction.DRAFT
    due_at = at + timedelta(minutes=wanted.rule.hold_minutes) if waits else None
    item_digest = digest(order.item)
    act = AutomaticAct.objects.create(
        organization_id=connection.organization_id, rule=wanted.rule, connection=connection, customer_key=customer_key,
        order_key=order.item.key, version=order.state.version or item_digest.hex(), digest=item_digest,
        action=wanted.rule.action, state=ActState.WAITING if waits else ActState.PREPARED, code=wanted.code,
        clinician=wanted.clinician, made_at=at, due_at=due_at,
    )  # fmt: skip
    if due_at is not None:
        outbox.plan(
            kind=KIND, subject=str(act.public_id), organization_id=act.organization_id, at=at, run_at=due_at,
            deadline_at=due_at + DONE_WITHIN,
        )  # fmt: skip
    _record(act, f"automation.{act.state}", actor_of(wanted.rule), at)
    return act


# ---------------------------------------------------------------------------------------------------------------- its end
def end(
    act: AutomaticAct, state: str, code: str, *, by: Actor, at: datetime, did: str = "", offer_id: int | None = None
) -> None:
    """A locked act comes to an end, or becomes the clinician's."""
    act.state, act.code, act.did, act.offer_id = state, code[:48], did, offer_id
    act.ended_at, act.ended_by = (None, "") if state == ActState.PREPARED else (at, str(by)[:80])
    act.save(update_fields=["state", "code", "did", "offer", "ended_at", "ended_by"])
    _record(act, f"automation.{state}", by, at)


def undo(*, act: AutomaticAct, by: Actor, at: datetime) -> bool:
    """A person says no before it happened. False where it is over: a link that went out is taken back as any other."""
    with transaction.atomic():
        locked = AutomaticAct.objects.select_for_update().get(pk=act.pk)
        if locked.state not in OPEN_ACTS:
            return False
        end(locked, ActState.UNDONE, "", by=by, at=at)
    return True


def taken_over(*, organization_id: int, order_keys: Sequence[str], by: Actor, at: datetime) -> int:
    """A clinician sent these orders by hand: nothing more follows by itself."""
    with transaction.atomic():
        acts = AutomaticAct.objects.select_for_update().filter(
            organization_id=organization_id, order_key__in=order_keys, state__in=OPEN_ACTS
        )
        found = list(acts.order_by("pk"))
        for act in found:
            end(act, ActState.UNDONE, SENT_BY_HAND, by=by, at=at)
    return len(found)


def _record(act: AutomaticAct, action: str, by: Actor, at: datetime) -> None:
    audit.record(
        organization_id=act.organization_id, by=by, action=action, entity=f"automaticact:{act.public_id}", at=at,
        reason=":".join(filter(None, (act.did or act.action, act.code))), customer_key=act.customer_key,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- its erasing
def erase(organization_id: int, at: datetime) -> int:
    """The eraser. Until then they say that this was done, or undone: an event may come late, and nothing happens twice."""
    old = AutomaticAct.objects.filter(organization_id=organization_id, made_at__lte=over_since(keeping.SKELETON, at))
    old = old.exclude(state=ActState.WAITING).exclude(customer_key__in=holds.standing(organization_id, at))
    pks = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return AutomaticAct.objects.filter(pk__in=pks).delete()[0]


def forget(organization_id: int, customer_key: str, order_keys: frozenset[str]) -> int:
    """One person's, at once."""
    return AutomaticAct.objects.filter(organization_id=organization_id, customer_key=customer_key).delete()[0]


# ------------------------------------------------------------------------------------------------------------- for pages
def acts_of(*, organization_id: int, customer_key: str) -> list[AutomaticAct]:
    """This patient's, newest first."""
    acts = AutomaticAct.objects.filter(organization_id=organization_id, customer_key=customer_key)
    return list(acts.select_related("rule").order_by("-pk")[:50])


def newest_by_order(acts: Iterable[AutomaticAct]) -> Mapping[str, AutomaticAct]:
    """Order key -> its newest act."""
    found: dict[str, AutomaticAct] = {}
    for act in acts:
        found.setdefault(act.order_key, act)
    return found
