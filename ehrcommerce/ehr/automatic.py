"""The end of a hold: the order is read again, and what its rule wants is done in one transaction, if nobody said no
meanwhile. Every wait is a row that the sweeper finds; the EHR is asked with no transaction open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.accounts.models import User
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import Offer
from ehrcommerce.ehr import automation, chart, kits, leaving
from ehrcommerce.ehr.models import ActState, AutomaticAct, RuleAction
from ehrcommerce.ehr.order_rows import stands
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Done, Halt, NeedsHuman, Outcome, Refused, TryAgain
from ehrcommerce.policy.digests import digest
from ehrcommerce.policy.packets import ChartOrder, RecipientFacts
from ehrcommerce.suppliers.ports import ChartNotPermitted, ChartUnreachable

GONE, GONE_ONCE, ONCE_MORE_S = "order_gone", "order_gone_once", 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read for one act at this moment. `kit` is what is needed to ship without asking, where that may be."""

    order: ChartOrder
    product: Product
    recipient: RecipientFacts
    kit: kits.Ready | None = None
    why_no_kit: str = ""


class Automatic(Handler):
    """One act. All of it happens in `prepare`: what goes out of the house is an effect of its own."""

    kind = automation.KIND
    queue = "chart"

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def prepare(self, effect: Effect) -> bytes:
        acts = AutomaticAct.objects.select_related("rule__organization", "connection__organization", "clinician")
        act = acts.filter(public_id=effect.subject).first()
        if act is None or act.state != ActState.WAITING:
            raise Halt(Refused("not_wanted"))
        if not act.rule.enabled:
            raise Halt(Refused("rule_off"))
        facts = _read(act, effect, timezone.now())
        if facts is not None:
            _do(act, facts, timezone.now())
        return b""

    def send(self, effect: Effect, body: bytes) -> Outcome:
        """Nothing leaves here."""
        return Done()

    def ask(self, effect: Effect) -> Outcome:
        return Done()

    def overdue(self, effect: Effect) -> Outcome:
        """The EHR could not be asked for days: whoever opens the chart decides."""
        return Refused("too_late")

    def settle(self, effect: Effect, outcome: Outcome) -> None:
        """What did not come about is prepared for the clinician, with the reason."""
        if isinstance(outcome, Refused):
            act = AutomaticAct.objects.select_for_update().select_related("rule").get(public_id=effect.subject)
            if act.state == ActState.WAITING:
                automation.end(
                    act, ActState.PREPARED, outcome.code, by=automation.actor_of(act.rule), at=timezone.now()
                )


@contextmanager
def asking() -> Iterator[None]:
    """What stands against asking the EHR, in the outbox's words."""
    try:
        yield
    except ChartUnreachable as problem:
        raise Halt(TryAgain("chart_unreachable")) from problem
    except ChartNotPermitted as problem:
        raise Halt(NeedsHuman("chart_not_permitted")) from problem
    except NoAgreement as problem:
        raise Halt(NeedsHuman("no_agreement")) from problem


def _read(act: AutomaticAct, effect: Effect, at: datetime) -> Facts | None:
    """None where the chart, or the catalog, has ended the act."""
    by, where = str(automation.actor_of(act.rule)), act.organization_id
    with asking():
        order = chart.EhrChart().current(organization_id=where, keys=[act.order_key], by=by)[act.order_key]
        if order is None:
            if effect.code != GONE_ONCE:  # a copy of the EHR's database may lag
                raise Halt(TryAgain(GONE_ONCE, after_s=ONCE_MORE_S))
            _end(act, ActState.STOPPED, GONE, at)
            return None
        if order.state.refusal or digest(order.item) != bytes(act.digest):
            automation.weigh(act.connection, order, act.customer_key, at)
            return None
        match = catalog.match(order.item, organization_id=where, unattended=True)
        code = (
            "" if match.product is None else automation.why_not_alone(order, match.product, act.rule.routing_proof, at)
        )
        if match.product is None or match.refusal or code:
            _end(act, ActState.PREPARED, match.refusal or code, at)
            return None
        recipient = chart.recipient(organization_id=where, customer_key=act.customer_key, by=by)
        facts = Facts(order, match.product, recipient)
        return _with_kit(act, facts, at) if act.action == RuleAction.KIT else facts


def _with_kit(act: AutomaticAct, facts: Facts, at: datetime) -> Facts:
    try:
        return replace(facts, kit=kits.ready(act, facts.product, by=automation.actor_of(act.rule), at=at))
    except kits.NotWithoutAsking as problem:
        return replace(facts, why_no_kit=problem.code)


def _end(act: AutomaticAct, state: str, code: str, at: datetime) -> None:
    with transaction.atomic():
        locked = AutomaticAct.objects.select_for_update().select_related("rule").get(pk=act.pk)
        if locked.state == ActState.WAITING:
            automation.end(locked, state, code, by=automation.actor_of(locked.rule), at=at)


@transaction.atomic(durable=True)
def _do(act: AutomaticAct, facts: Facts, at: datetime) -> None:
    """The act, once: under the patient's lock and its own, if it still waits and nobody was quicker."""
    offers.alone_with(act.organization_id, act.customer_key)
    rows = AutomaticAct.objects.select_for_update(of=("self",)).select_related("rule", "clinician__organization")
    locked = rows.get(pk=act.pk)
    by = automation.actor_of(locked.rule)
    if locked.state != ActState.WAITING:
        return
    if automation.is_offered(locked.organization_id, locked.order_key, bytes(locked.digest)):
        automation.end(locked, ActState.UNDONE, automation.SENT_BY_HAND, by=by, at=at)
    elif locked.clinician is None:
        automation.end(locked, ActState.PREPARED, "no_clinician", by=by, at=at)
    elif facts.recipient.needs_helper:
        automation.end(locked, ActState.PREPARED, "minor", by=by, at=at)
    elif not facts.recipient.contacts:
        automation.end(locked, ActState.PREPARED, "no_contact", by=by, at=at)
    else:
        _offer(locked, facts, locked.clinician, at)


def _offer(act: AutomaticAct, facts: Facts, clinician: User, at: datetime) -> None:
    by, why = automation.actor_of(act.rule), facts.why_no_kit
    try:
        if facts.kit is not None:
            try:
                with transaction.atomic():
                    offer = _write(act, facts, clinician, at, tells=False)
                    kits.ship(offer, facts.kit, by=by, at=at)
                automation.end(act, ActState.DONE, "", by=by, at=at, did=RuleAction.KIT, offer_id=offer.pk)
                return
            except kits.NotWithoutAsking as problem:
                why = problem.code
        with transaction.atomic():
            offer = _write(act, facts, clinician, at, tells=True)
        automation.end(act, ActState.DONE, why, by=by, at=at, did=RuleAction.LINK, offer_id=offer.pk)
    except offers.OrderStands:
        automation.end(act, ActState.STOPPED, "already_ordered", by=by, at=at)
    except offers.OfferProblem as problem:
        automation.end(act, ActState.PREPARED, type(problem).__name__, by=by, at=at)


def _write(act: AutomaticAct, facts: Facts, clinician: User, at: datetime, *, tells: bool) -> Offer:
    """The offer, as the clinician's own Send writes it, but for who acts."""
    line = offers.NewLine(facts.order, facts.product, routing_proof=act.rule.routing_proof)
    link = offers.write_offer(
        lines=[line], recipient=facts.recipient, send_to=facts.recipient.contacts[0], by=clinician, at=at,
        elements=leaving.elements_of([facts.order.item]), stands=stands,
        rule=offers.Rule(act.rule.public_id, tells=tells),
    )  # fmt: skip
    return link.offer
