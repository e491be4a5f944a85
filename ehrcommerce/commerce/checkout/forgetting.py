"""Telling messengers and plans that a person asked to be forgotten: one effect for each of them and each offer. They are told
by the references of what they were given (messages, questions), which say nothing of who it was. What they then delete is
for their own law to say; that they were told is ours, and stands in the audit. Suppliers: fulfillment/forgetting.py."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.fulfillment.models import Fulfillment
from ehrcommerce.commerce.offers.models import Offer, PurchaseLink
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.handlers import NATIVE_KEY, Handler
from ehrcommerce.outbox.models import Effect
from ehrcommerce.outbox.outcomes import Halt, NeedsHuman, Outcome, Refused
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.suppliers.ports import NoSupplier

KIND = "checkout.forget"


def tell_partners(offer: Offer, *, at: datetime) -> int:
    """Plan one for each messenger and each plan that was given something about this offer. Returns how many."""
    partners = given(offer)
    for pk in sorted(partners):
        outbox.plan(kind=KIND, subject=f"{offer.public_id}:{pk}", organization_id=offer.organization_id, at=at)
    return len(partners)


def given(offer: Offer) -> dict[int, list[str]]:
    """Row of a partner -> references of what it got about this offer, whatever its answer was: bytes that went out once."""
    found: dict[int, list[str]] = defaultdict(list)
    links = {str(one.public_id): one.messenger for one in _links(offer)}
    sessions = {str(one.public_id): one for one in _sessions(offer)}
    for effect in _sent(offer, "offers.link", Q(subject__in=links)):
        _note(found, links[effect.subject], effect)
    for effect in _sent(offer, "checkout.code", Q(subject__in=sessions)):
        _note(found, sessions[effect.subject].messenger, effect)
    for effect in _sent(offer, "checkout.eligibility", Q(subject__in=sessions)):
        _note(found, sessions[effect.subject].payer, effect)
    if news := _news_of(offer):
        for effect in _sent(offer, "fulfillment.notify", news):
            _note(found, chosen.by_party(effect.recipient, organization_id=offer.organization_id), effect)
    return dict(found)


def _links(offer: Offer) -> Iterable[PurchaseLink]:
    return PurchaseLink.objects.filter(offer=offer).select_related("messenger")


def _sessions(offer: Offer) -> Iterable[CheckoutSession]:
    return CheckoutSession.objects.filter(link__offer=offer).select_related("messenger", "payer")


def _news_of(offer: Offer) -> Q:
    """Messages about its orders and their parts: `o:<order>:<name>`, `f:<fulfillment>:<name>`."""
    wanted = Q()
    for public_id in Order.objects.filter(offer=offer).values_list("public_id", flat=True):
        wanted |= Q(subject__startswith=f"o:{public_id}:")
    for public_id in Fulfillment.objects.filter(order__offer=offer).values_list("public_id", flat=True):
        wanted |= Q(subject__startswith=f"f:{public_id}:")
    return wanted


def _sent(offer: Offer, kind: str, which: Q) -> Iterable[Effect]:
    rows = Effect.objects.filter(which, organization_id=offer.organization_id, kind=kind, request_sha256__isnull=False)
    return rows.order_by("pk")


def _note(found: dict[int, list[str]], partner: Supplier | None, effect: Effect) -> None:
    if partner is not None:
        found[partner.pk].append(str(effect.public_id))


class ForgetPartner(Handler):
    """A partner without such an address is told by a person: the effect waits in the needs-human queue."""

    kind = KIND

    def capability(self, effect: Effect) -> str:
        return NATIVE_KEY

    def _offer_and_partner(self, effect: Effect) -> tuple[Offer, Supplier]:
        public_id, _, pk = effect.subject.partition(":")
        offer = Offer.objects.get(public_id=public_id)
        partner = Supplier.objects.filter(organization_id=effect.organization_id, pk=int(pk)).first()
        if partner is None:
            raise Halt(NeedsHuman("no_supplier"))
        return offer, partner

    def prepare(self, effect: Effect) -> bytes:
        offer, partner = self._offer_and_partner(effect)
        references = given(offer).get(partner.pk)
        if not references:
            raise Halt(Refused("nothing_given"))
        return json.dumps(references, separators=(",", ":")).encode()

    def still_wanted(self, effect: Effect) -> None:
        offer, partner = self._offer_and_partner(effect)
        try:
            chosen.usable(partner, at=timezone.now())
        except NoSupplier as problem:
            raise Halt(NeedsHuman("no_agreement")) from problem
        audit.record(
            organization_id=effect.organization_id, by=audit.system("outbox"), action="erasure.told",
            entity=f"offer:{offer.public_id}", at=timezone.now(), recipient=partner.party,
        )  # fmt: skip

    def send(self, effect: Effect, body: bytes) -> Outcome:
        _, partner = self._offer_and_partner(effect)
        adapter = chosen.eligibility(partner) if partner.port == Port.ELIGIBILITY else chosen.messaging(partner)
        forget = getattr(adapter, "forget", None)
        if forget is None:
            return NeedsHuman("tell_by_hand")
        outcome: Outcome = forget(json.loads(body), idempotency_key=effect.idempotency_key)
        return outcome
