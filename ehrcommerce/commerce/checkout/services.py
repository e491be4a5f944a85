"""The patient's session: begun by a matched answer, raised by a code, moved forward page by page, ended by time.

The cookie holds a random value and the row its hash. Nobody reaches a later page but through the ones before: the
stage in the row decides, not the address in the browser."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout.errors import CheckoutOver, LinkOver
from ehrcommerce.commerce.checkout.models import KNOWN, LEVEL_CODE, LEVEL_NAMES, CheckoutSession, Stage
from ehrcommerce.commerce.offers import helping, links
from ehrcommerce.commerce.offers.models import LIVE_LINK, Helper, LinkState
from ehrcommerce.commerce.orders.models import Order
from ehrcommerce.commerce.orders.money import waits_for_money
from ehrcommerce.commerce.orders.states import OrderState
from ehrcommerce.disclosure import consent
from ehrcommerce.vault import walls

COOKIE = "__Host-checkout"
IDLE, LIFE = timedelta(minutes=10), timedelta(minutes=30)
STAGES = list(Stage)
_RELATED = ("organization", "link", "link__offer", "order", "helper__organization", "helper__offer")


def hash_of(cookie: str) -> bytes:
    """What the row keeps of a cookie."""
    return hashlib.sha256(cookie.encode()).digest()


def actor_of(session: CheckoutSession) -> Actor:
    """The patient, named by the link; or who acts for them."""
    if session.helper is not None:
        return Actor("helper", str(session.helper.public_id))
    return Actor("patient", str(session.link.public_id))


@transaction.atomic
def begin(
    *, organization_id: int, link_id: int, language: str, at: datetime, wants_data: bool = False,
    helper: Helper | None = None,
) -> tuple[CheckoutSession, str]:  # fmt: skip
    """A session of level 1, right after the answers matched; `helper`: who acts for the patient. Returns it with the value
    for the cookie."""
    cookie = secrets.token_urlsafe(32)
    session = CheckoutSession.objects.create(
        organization_id=organization_id, link_id=link_id, cookie_sha256=hash_of(cookie), level=1, language=language,
        started_at=at, seen_at=at, expires_at=at + LIFE, wants_data=wants_data, helper=helper,
    )  # fmt: skip
    audit.record(
        organization_id=organization_id,
        by=actor_of(session),
        action="checkout.begun",
        entity=f"checkout:{session.public_id}",
        at=at,
    )
    return session, cookie


def resume(cookie: str, *, at: datetime, seen: bool = True) -> CheckoutSession:
    """The live session of this cookie; enters its organization's walls. Raises CheckoutOver, LinkOver."""
    organization_id = _organization_of(cookie)
    if organization_id is None:
        raise CheckoutOver
    walls.enter(organization_id)
    session = (
        CheckoutSession.objects.select_related(*_RELATED).filter(cookie_sha256=hash_of(cookie), ended_at=None).first()
    )
    if session is None or at >= session.expires_at or at >= session.seen_at + IDLE:
        raise CheckoutOver
    if session.helper is not None and not helping.may_act(session.helper):
        raise CheckoutOver
    _require_live_link(session, at)
    if session.level in KNOWN and session.order is None and session.link.state == LinkState.COMPLETED:
        _join(session)
    if seen:
        CheckoutSession.objects.filter(pk=session.pk).update(seen_at=at)
    return session


def _join(session: CheckoutSession) -> None:
    """The order was placed on another phone meanwhile: this one follows it, and cannot place a second."""
    session.order = Order.objects.filter(offer_id=session.link.offer_id).order_by("-pk").first()
    advance(session, Stage.FOLLOW, "order")


def _organization_of(cookie: str) -> int | None:
    if not cookie:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT ehrc_checkout_organization(%s)", [hash_of(cookie)])
        row = cursor.fetchone()
    return row[0] if row else None


def _require_live_link(session: CheckoutSession, at: datetime) -> None:
    """With an order the link has done its work; before, it must live."""
    link = session.link
    if session.order_id or link.state == LinkState.COMPLETED:
        return
    if page := links.page_of(link.state, link.end_reason):
        raise LinkOver(page)
    if link.state in LIVE_LINK and link.expires_at is not None and link.expires_at <= at:
        raise LinkOver("expired")


def may_see(session: CheckoutSession, stage: Stage) -> bool:
    """Pages before the reached one may be seen again, until there is an order; then only its own pages."""
    if session.order is not None:
        return stage in (Stage.PAY, Stage.FOLLOW)
    if stage == Stage.CODE or session.stage == Stage.CODE:
        return stage == session.stage
    return STAGES.index(stage) <= STAGES.index(Stage(session.stage))


def home(session: CheckoutSession) -> str:
    """The page where this session stands, as a name of urls.py."""
    if session.order is not None:
        unpaid = waits_for_money(session.order) or session.order.state == OrderState.QUOTED
        return "checkout:pay" if unpaid else "checkout:follow"
    if session.stage == Stage.CHECK and session.link.offer.after_id is not None:
        return "checkout:refill"
    return f"checkout:{session.stage}"


def after_proof(session: CheckoutSession) -> str:
    """Where somebody is led who has just proved who they are."""
    return "checkout:data" if session.wants_data else home(session)


def advance(session: CheckoutSession, to: Stage, *fields: str) -> None:
    """Save `fields` and stand at `to`."""
    session.stage = to
    session.save(update_fields=["stage", *fields])


@transaction.atomic
def verified(session: CheckoutSession, *, at: datetime, level: int = LEVEL_CODE) -> str:
    """The code came back (level 2), or a printed link needs none: a verified link, and a fresh cookie, since one that
    was seen before is worth nothing."""
    cookie = secrets.token_urlsafe(32)
    session.cookie_sha256, session.level, session.proved_at = hash_of(cookie), level, at
    session.order = Order.objects.filter(offer_id=session.link.offer_id).order_by("-pk").first()
    links.mark_verified(link_id=session.link_id, at=at)
    reached = f"level {LEVEL_NAMES[level]}"
    audit.record(
        organization_id=session.organization_id, by=actor_of(session), action="checkout.verified",
        entity=f"checkout:{session.public_id}", at=at, purpose="identity", reason=" ".join(filter(None, (reached, session.acting))),
        customer_key=session.link.offer.customer_key,
    )  # fmt: skip
    advance(session, Stage.FOLLOW if session.order else Stage.CHECK, "cookie_sha256", "level", "proved_at", "order")
    return cookie


@transaction.atomic
def decline(session: CheckoutSession, *, at: datetime) -> None:
    """The patient said no, and the clinic is told. What was agreed to before is taken back with it. The link lives on:
    they can change their mind until it expires, and are asked anew."""
    forget(session, at)
    consent.withdraw(
        organization_id=session.organization_id, subject=str(session.link.offer.public_id), by=actor_of(session), at=at,
        reason="declined",
    )  # fmt: skip
    links.mark_declined(link_id=session.link_id, at=at)
    audit.record(
        organization_id=session.organization_id, by=actor_of(session), action="checkout.declined",
        entity=f"checkout:{session.public_id}", at=at,
    )  # fmt: skip


def declined(cookie: str, *, at: datetime) -> CheckoutSession | None:
    """The session of this cookie where the patient ended it by a no; None for any other. Enters its walls."""
    organization_id = _organization_of(cookie)
    if organization_id is None:
        return None
    walls.enter(organization_id)
    rows = CheckoutSession.objects.select_related("organization", "link").filter(cookie_sha256=hash_of(cookie))
    # Whoever says no ends the session before its time; the eraser ends it after.
    return rows.filter(ended_at__lt=F("expires_at"), expires_at__gt=at).first()


def end_due(organization_id: int, at: datetime) -> int:
    """The eraser: sessions past their time, with what waited in them."""
    due = list(CheckoutSession.objects.filter(organization_id=organization_id, ended_at=None, expires_at__lte=at)[:200])
    for session in due:
        forget(session, at)
    return len(due)


def end_acting(link_id: int, *, at: datetime) -> int:
    """Whoever acts for a patient who came of age is out with the next page."""
    found = list(CheckoutSession.objects.filter(link_id=link_id, ended_at=None, helper__isnull=False))
    for session in found:
        forget(session, at)
    return len(found)


def forget(session: CheckoutSession, at: datetime) -> None:
    session.ended_at = at
    session.eligibility, session.quote, session.address_on_file, session.ship_to = {}, {}, {}, {}
    session.save(update_fields=["ended_at", "eligibility", "quote", "address_on_file", "ship_to"])
