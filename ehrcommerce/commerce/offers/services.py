"""Turn fresh packets of one chart into an offer with a personal link, and take such a link back.

One transaction writes the offer, the link, the intent to send it, and the audit; nothing leaves before it commits."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Prefetch, QuerySet

from ehrcommerce.accounts.models import Organization, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.catalog import services as catalog
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.commerce.catalog.quantities import how_many
from ehrcommerce.commerce.offers import arrivals, helping, links
from ehrcommerce.commerce.offers.approving import is_prescriber as is_prescriber
from ehrcommerce.commerce.offers.approving import needs_approval as needs_approval
from ehrcommerce.commerce.offers.errors import Implausible as Implausible
from ehrcommerce.commerce.offers.errors import NotThePrescriber as NotThePrescriber
from ehrcommerce.commerce.offers.errors import OfferProblem as OfferProblem
from ehrcommerce.commerce.offers.models import LIVE_LINK, Contact, Delivery, LinkState, Offer, OfferLine, PurchaseLink
from ehrcommerce.commerce.offers.tokens import hash_of, phrase_of, token_of
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox.models import Effect, State
from ehrcommerce.policy import derive
from ehrcommerce.policy.digests import as_json, digest
from ehrcommerce.policy.packets import PRESCRIPTION, ChartOrder, ContactPoint, RecipientFacts

log = logging.getLogger(__name__)
MAX_LINES = 20
UNDO_S = 60
_SENDING_LOCK = 0x454F4646  # advisory lock class: "EOFF"
# Elements whose words may hold an order.
HOLDING = tuple(f"{row.resource}.{row.element}" for row in derive.EVERYTHING if row.field == "OrderState.held")
CHANNEL = {"phone": "sms", "email": "email"}


class NothingChosen(OfferProblem):
    """No order was chosen. Tick at least one, at most 20, and send again."""


class NoRoutingProof(OfferProblem):
    """A prescription needs a word on how the pharmacy gets it: e-prescribed, transferred, or over the counter."""


class OtherQuantity(OfferProblem):
    """The product's price is for another amount than the order's. Ask the catalog team for one that fits."""


class WordsHeld(OfferProblem):
    """The directions hold words that may tell why the patient takes it, and nobody released them. Look at the marked words,
    release the order or leave it out, and send again."""


class AlreadyOrdered(OfferProblem):
    """The patient has already ordered with this link. Cancel the order instead."""


class NobodyToRecognize(OfferProblem):
    """The patient has no phone or e-mail on file, and to be recognized without them birth date, family name and postal code
    are all needed. Add a phone or an e-mail in the chart, or what is missing of the three."""


class ClinicStopped(OfferProblem):
    """This clinic's sales are stopped after an incident. Your administrator lifts it with `manage.py revoke_all --lift`."""


class TooManyLinks(OfferProblem):
    """You sent more links in this minute than a person can. Wait a minute; if it was not you, tell your administrator."""


class OrderStands(OfferProblem):
    """The patient ordered one of these items meanwhile. Nothing was sent; look at the orders again."""


@dataclass(frozen=True, slots=True)
class NewLine:
    """One order of the chart and the product that answers to it. `routing_proof` is for prescriptions (law 13);
    `released`: the clinician looked at the words that hold it, and lets them leave; `confirmed`: the prescriber looked at
    a value that is likely a slip, and says that it is right; `released_before`: they did so for the fill before this one,
    which said the same."""

    order: ChartOrder
    product: Product
    routing_proof: str = ""
    released: bool = False
    released_before: OfferLine | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What acts by itself in a clinician's name, a rule or a refill: the audit names it. `tells`: whether the link's message
    is planned."""

    public_id: UUID
    tells: bool = True
    kind: str = "rule"

    @property
    def actor(self) -> Actor:
        return Actor(self.kind, str(self.public_id))


@transaction.atomic(durable=True)
def make_offer(
    *, lines: Sequence[NewLine], recipient: RecipientFacts, send_to: ContactPoint | None, by: User, at: datetime,
    language: str = "", elements: Iterable[str] = (), stands: Callable[[Offer], bool] = lambda offer: True,
) -> PurchaseLink:  # fmt: skip
    """A clinician's Send: write_offer in a transaction of its own. Where the clinic wants a prescriber's approval and this is
    none, the link is a draft: nothing is sent, and the prescriber's own Send takes its place."""
    draft = needs_approval(by, [line.order.item.kind for line in lines])
    return write_offer(
        lines=lines, recipient=recipient, send_to=send_to, by=by, at=at, language=language, elements=elements,
        stands=stands, draft=draft,
    )  # fmt: skip


def write_offer(
    *, lines: Sequence[NewLine], recipient: RecipientFacts, send_to: ContactPoint | None, by: User, at: datetime,
    language: str = "", elements: Iterable[str] = (), stands: Callable[[Offer], bool] = lambda offer: True,
    rule: Rule | None = None, after: Offer | None = None, draft: bool = False,
) -> PurchaseLink:  # fmt: skip
    """Make an offer that one person can order once, and plan its message. Call in a transaction. `after`: the offer whose
    items this one fills again. draft: it waits for a prescriber, sends nothing, and takes no link's place.

    lines: 1 to 20 packets of one patient, fresh from the door. send_to: None makes a link to print only; where there
    is no contact at all, one that asks for name and postal code besides the birth date, since no code can be sent.
    An older live link for one of the same orders is superseded. stands: whether an order of a spent link still goes
    on (the room of the orders is above; who does not say counts every spent link). Raises NothingChosen,
    NoRoutingProof, OtherQuantity, NobodyToRecognize, OrderStands, WordsHeld, ClinicStopped, TooManyLinks; for a minor
    HelpersOff and MinorPrivate.
    """
    if not 1 <= len(lines) <= MAX_LINES:
        raise NothingChosen
    delivery = _delivery(recipient, send_to)
    organization, actor = by.organization, rule.actor if rule else by.actor
    if organization.read_only_since is not None:
        raise ClinicStopped
    if rule is None:
        _require_pace(by, at)
    if recipient.needs_helper:
        _for_minor(organization, lines)
    alone_with(organization.pk, recipient.customer_key)
    offer = _write_offer(organization, recipient, by, language or recipient.language, at, rule, after)
    for line in lines:
        _write_line(offer, line, by=by, at=at)
    keys = [line.order.item.key for line in lines]
    _supersede(offer, keys=keys, states=(LinkState.DRAFT,) if draft else (LinkState.DRAFT, *LIVE_LINK), by=actor, at=at)
    # After the older links are ended: whoever was spending one has committed by now, and nobody can begin to.
    if any(stands(older) for older in _ordered(offer, keys)):
        raise OrderStands
    link = _write_link(offer, organization, delivery, at, draft)
    for contact in recipient.contacts:
        Contact.objects.create(
            organization=organization, offer=offer, channel=CHANNEL[contact.system], value=contact.value,
            masked=contact.masked, carries_link=contact == send_to,
        )  # fmt: skip
    audit.record(
        organization_id=organization.pk, by=actor, action=f"offer.{'drafted' if draft else 'made'}",
        entity=f"offer:{offer.public_id}", at=at,
        purpose="TREAT", elements=elements, customer_key=recipient.customer_key, reason=delivery,
    )  # fmt: skip
    if send_to is not None and not draft and (rule is None or rule.tells):
        outbox.plan(
            kind="offers.link",
            subject=str(link.public_id),
            organization_id=organization.pk,
            at=at,
            deadline_at=link.expires_at,
        )
    return link


def _require_pace(by: User, at: datetime) -> None:
    """No clinician sends hundreds of links in a minute: whoever does has their account, or a script (REL-F62). Counted in
    our own rows, so that no broker has to run."""
    since = at - timedelta(minutes=1)
    recent = Offer.objects.filter(made_by=by, by_rule=None, created_at__gt=since, created_at__lte=at)
    if recent.count() >= settings.LINKS_A_MINUTE:
        log.error("user %s sends more than %s links a minute: stopped", by.public_id, settings.LINKS_A_MINUTE)
        raise TooManyLinks


def _for_minor(organization: Organization, lines: Iterable[NewLine]) -> None:
    """The clinician's page refuses the same before: here is the last line."""
    helping.require(organization)
    if any(helping.is_private(organization, kind=line.order.item.kind, sku=line.product.sku) for line in lines):
        raise helping.MinorPrivate


def _delivery(recipient: RecipientFacts, send_to: ContactPoint | None) -> Delivery:
    if send_to is not None:
        return Delivery.MESSAGE
    if recipient.contacts:
        return Delivery.QR
    if not links.may_be_printed(recipient):
        raise NobodyToRecognize
    return Delivery.PRINTED


def _write_offer(
    organization: Organization, recipient: RecipientFacts, by: User, language: str, at: datetime, rule: Rule | None,
    after: Offer | None,
) -> Offer:  # fmt: skip
    offer = Offer(
        organization=organization, customer_key=recipient.customer_key, made_by=by, language=language,
        birth_digest=recipient.birth_digest, family_digest=recipient.family_digest,
        postal_digest=recipient.postal_digest, provider_npi=by.npi, created_at=at,
        by_rule=rule.public_id if rule else None, after=after, needs_helper=recipient.needs_helper,
    )  # fmt: skip
    offer.trust_phrase = phrase_of(str(offer.public_id))
    offer.save()
    return offer


def _write_line(offer: Offer, line: NewLine, *, by: User, at: datetime) -> OfferLine:
    item, product, held = line.order.item, line.product, line.order.state.held
    before = line.released_before if held and line.released_before and line.released_before.released_at else None
    if held and not line.released and before is None:
        raise WordsHeld
    doubts = catalog.doubts_about([(item, product)])[item.key]
    sure = line.released_before if doubts else None
    if sure is not None and not (sure.confirmed_at and bytes(sure.digest) == digest(item)):
        sure = None
    if doubts and sure is None and not line.confirmed:
        raise Implausible
    if doubts and sure is None and not is_prescriber(by, item):
        raise NotThePrescriber
    proof = ("otc" if product.over_the_counter else line.routing_proof) if item.kind == PRESCRIPTION else ""
    if item.kind == PRESCRIPTION and proof not in ("otc", "e_prescription", "transfer"):
        raise NoRoutingProof
    if product.price_cents is None or not product.is_priced:
        raise NothingChosen
    quantity = how_many(item, product)
    if quantity is None:
        raise OtherQuantity
    row = OfferLine.objects.create(
        organization=offer.organization, offer=offer, product=product, sku=product.sku, name_en=product.name_en,
        name_es=product.name_es, kind=item.kind, order_key=item.key,
        packet=as_json(item), digest=digest(item), version=line.order.state.version, price_cents=product.price_cents,
        quantity=quantity, routing_proof=proof, released_at=before.released_at if before else at if held else None,
        released_by=before.released_by if before else by if held else None,
        confirmed_at=sure.confirmed_at if sure else at if doubts else None,
        confirmed_by=sure.confirmed_by if sure else by if doubts else None,
    )  # fmt: skip
    if doubts and sure is None:
        audit.record(
            organization_id=offer.organization_id, by=by.actor, action="order.value_confirmed",
            entity=f"line:{row.public_id}", at=at, purpose=item.kind, customer_key=offer.customer_key,
            reason=" ".join(sorted({one.code for one in doubts}))[:200],
        )  # fmt: skip
    if held and before is None:
        audit.record(
            organization_id=offer.organization_id, by=by.actor, action="order.released",
            entity=f"line:{row.public_id}", at=at, purpose=item.kind, elements=HOLDING, customer_key=offer.customer_key,
            reason=f"words:{len(held)}",
        )  # fmt: skip
    return row


def _write_link(
    offer: Offer, organization: Organization, delivery: Delivery, at: datetime, draft: bool
) -> PurchaseLink:
    link = PurchaseLink(
        organization=organization, offer=offer, state=LinkState.DRAFT if draft else LinkState.SENT, delivery=delivery,
        created_at=at, sent_at=None if draft else at,
        expires_at=at + timedelta(days=organization.link_days),
    )  # fmt: skip
    link.token_sha256 = hash_of(token_of(link))
    link.save()
    return link


def alone_with(organization_id: int, customer_key: str) -> None:
    """One Send at a time for one patient, until the transaction ends: of two at once the later one sees the earlier
    one's link and replaces it."""
    with connection.cursor() as cursor:
        patient = f"{organization_id}:{customer_key}"
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_SENDING_LOCK, patient])


def _ordered(offer: Offer, keys: Collection[str]) -> QuerySet[Offer]:
    """This patient's offers that were ordered from and hold one of these orders of the chart."""
    return Offer.objects.filter(
        organization=offer.organization, customer_key=offer.customer_key, links__state=LinkState.COMPLETED,
        lines__order_key__in=keys,
    ).distinct()  # fmt: skip


def _supersede(offer: Offer, *, keys: Collection[str], states: Collection[str], by: Actor, at: datetime) -> None:
    older = PurchaseLink.objects.filter(
        organization=offer.organization,
        state__in=states,
        offer__customer_key=offer.customer_key,
        offer__lines__order_key__in=keys,
    ).distinct()
    for link in older:
        links.end(link=link, state=LinkState.SUPERSEDED, reason="newer_link", by=by, at=at)


@dataclass(frozen=True, slots=True)
class Sent:
    """The newest offer that contains an order: what the clinician sees in its row."""

    link: PurchaseLink
    offer: Offer

    @property
    def is_live(self) -> bool:
        return self.link.state in LIVE_LINK


def sent_for(*, organization_id: int, customer_key: str, also: Sequence[str] = ()) -> list[Sent]:
    """This patient's offers, newest first, with lines, products, contacts and link, one statement each. `also` names
    relations that rooms above have put on an offer and want loaded with it."""
    offers = (
        Offer.objects.filter(organization_id=organization_id, customer_key=customer_key)
        .select_related("made_by", "organization")
        .prefetch_related(
            "contacts",
            *also,
            Prefetch("lines", OfferLine.objects.select_related("product").order_by("pk")),
            Prefetch("links", PurchaseLink.objects.order_by("-pk")),
        )
        .order_by("-created_at", "-pk")
    )
    return [Sent(link=offer.links.all()[0], offer=offer) for offer in offers[:50] if offer.links.all()]


def newest_by_order(sent: Iterable[Sent]) -> Mapping[str, Sent]:
    """Order key -> the newest offer of it that was not taken back. One that is too old counts while its patient asks for a
    new link."""
    found: dict[str, Sent] = {}
    for each in sent:
        too_old = each.link.state == LinkState.EXPIRED and each.link.asked_again_at is None
        if too_old or each.link.state in (LinkState.REVOKED, LinkState.SUPERSEDED):
            continue
        for line in each.offer.lines.all():
            found.setdefault(line.order_key, each)
    return found


def revoke(*, link: PurchaseLink, reason: str, by: Actor, at: datetime) -> None:
    """Take a link back. Raises AlreadyOrdered where an order came first."""
    if not links.end(link=link, state=LinkState.REVOKED, reason=reason, by=by, at=at):
        link.refresh_from_db()
        if link.state == LinkState.COMPLETED:
            raise AlreadyOrdered


@transaction.atomic(durable=True)
def resend(*, link: PurchaseLink, by: User, at: datetime) -> bool:
    """Send the same address again to the same contact. False where the link is over or has nobody to go to."""
    locked = PurchaseLink.objects.select_for_update().select_related("offer").get(pk=link.pk)
    if locked.state not in LIVE_LINK or not locked.offer.contacts.filter(carries_link=True).exists():
        return False
    last = _last_generation(locked)
    outbox.plan(
        kind="offers.link", subject=str(locked.public_id), organization_id=locked.organization_id, at=at,
        generation=last + 1, deadline_at=locked.expires_at,
    )  # fmt: skip
    audit.record(
        organization_id=locked.organization_id,
        by=by.actor,
        action="link.resent",
        entity=f"link:{locked.public_id}",
        at=at,
    )
    arrivals.look_again(locked, by=by.actor, at=at)
    return True


def _last_generation(link: PurchaseLink) -> int:
    sends = Effect.objects.filter(organization_id=link.organization_id, kind="offers.link", subject=str(link.public_id))
    return max((effect.generation for effect in sends), default=0)


def lines_of(offer: Offer) -> list[OfferLine]:
    """Its lines with products, in the order of the page."""
    return list(offer.lines.select_related("product").order_by("pk"))


def send_problem(link: PurchaseLink) -> str:
    """The code of a message that could not be delivered, "" where all is well or still under way."""
    last = Effect.objects.filter(
        organization_id=link.organization_id, kind="offers.link", subject=str(link.public_id)
    ).exclude(generation__in=link.reminders).last()  # that a reminder was dropped is no trouble of the link
    if last and last.state in (State.REJECTED, State.NEEDS_HUMAN):
        return last.code
    return arrivals.CODE if arrivals.undelivered([link]) else ""
