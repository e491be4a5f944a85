"""What happens to a purchase link: looked at by a stranger, answered by the patient, spent by an order, ended by anyone
who may. Looking changes nothing; every other verb moves the row by condition, so that of two at once one loses."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Func, IntegerField, OuterRef, Q, QuerySet

from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.offers import helping
from ehrcommerce.commerce.offers.models import (
    CHANGED,
    LIVE_LINK,
    OF_AGE,
    STANDING,
    TRIES_A_DAY,
    Contact,
    Delivery,
    LinkState,
    Offer,
    OfferLine,
    PurchaseLink,
)
from ehrcommerce.commerce.offers.tokens import hash_of, token_of
from ehrcommerce.policy.packets import RecipientFacts
from ehrcommerce.vault.keys import identity_digest

_PAGES = {
    LinkState.LOCKED: "locked", LinkState.EXPIRED: "expired", LinkState.SUPERSEDED: "replaced",
    LinkState.REVOKED: "revoked", LinkState.COMPLETED: "completed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinkView:
    """What the holder of a token may be shown before proving anything: nothing of the person, the order or the item."""

    pk: int
    public_id: UUID
    organization_id: int
    state: str
    end_reason: str
    expired: bool
    expires_at: datetime
    tries_left: int
    language: str
    alias: str
    phone: str
    match_postal_code: bool
    match_family_name: bool
    sends_code: bool
    helpers: bool
    clinic_id: UUID

    @property
    def page(self) -> str:
        """Which page answers: who, locked, expired, replaced, updated, revoked or completed."""
        if self.tries_left == 0 and self.state != LinkState.COMPLETED:
            return "locked"
        return "expired" if self.expired else page_of(self.state, self.end_reason) or "who"


def page_of(state: str, end_reason: str) -> str:
    """Which page answers for a link that ended; "" for one that lives. The clinic's change of the order is no newer link."""
    if state == LinkState.REVOKED and end_reason == OF_AGE:
        return OF_AGE
    changed = state == LinkState.SUPERSEDED and end_reason == CHANGED
    return "updated" if changed else _PAGES.get(LinkState(state), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one answer to "who are you?". `locked`: for good, or, after the order, `today`. `needs_helper`: the
    patient is a minor. `of_age`: the patient was one when the link was made, and is none any more; then nothing matched."""

    matched: bool
    tries_left: int = 0
    locked: bool = False
    today: bool = False
    needs_helper: bool = False
    of_age: bool = False


def url_of(link: PurchaseLink) -> str:
    """The address that is sent. No id, no item, no organization in it."""
    return f"{settings.PATIENT_URL}/l/{token_of(link)}/"


def look(token: str) -> LinkView | None:
    """Find a link by its token; None for any unknown one. One statement, no walls needed, nothing changes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ehrc_link_of_token(%s)", [hash_of(token)])
        row = cursor.fetchone()
    return LinkView(*row) if row else None


@transaction.atomic
def answer(*, link_id: int, birth_date: str, postal_code: str = "", family_name: str = "", at: datetime) -> Answer:
    """Compare what somebody typed with the digests. A wrong answer costs one of the link's five tries, for its life.

    After the order it costs one of that day's: whoever else holds the link must not shut out for good who paid.
    birth_date: ISO date. Call inside the organization's walls. Which part was wrong is never told.
    """
    rows = PurchaseLink.objects.select_for_update(of=("self",)).select_related("offer", "organization")
    link = rows.get(pk=link_id)
    if link.state == LinkState.COMPLETED:
        return _after_the_order(link, (birth_date, postal_code, family_name), at)
    expired = link.state in LIVE_LINK and link.expires_at is not None and link.expires_at <= at
    if link.tries_left == 0 or expired or link.state not in LIVE_LINK:
        return Answer(matched=False, locked=link.tries_left == 0)
    if link.state == LinkState.SENT:
        link.state, link.opened_at = LinkState.OPENED, at
    matched = _matches(link, birth_date, postal_code, family_name)
    if matched and _is_of_age(link, birth_date, at):
        link.save(update_fields=["state", "opened_at"])
        return _close_of_age(link, at)
    if not matched:
        link.tries_left -= 1
        if link.tries_left == 0:
            link.state, link.ended_at, link.end_reason = LinkState.LOCKED, at, "too_many_tries"
    link.save(update_fields=["state", "opened_at", "tries_left", "ended_at", "end_reason"])
    _note_answer(link, matched, "locked" if link.tries_left == 0 else "", at)
    return Answer(
        matched=matched, tries_left=link.tries_left, locked=link.tries_left == 0, needs_helper=link.offer.needs_helper
    )


def _after_the_order(link: PurchaseLink, typed: tuple[str, str, str], at: datetime) -> Answer:
    """The link is spent and leads to its order only: five wrong answers shut it for the clinic's day, and
    the clinic sees it."""
    day = link.day_of(at)
    if link.shut_on(day):
        return Answer(matched=False, locked=True, today=True)
    matched = _matches(link, *typed)
    if matched and _is_of_age(link, typed[0], at):
        return _close_of_age(link, at)
    if not matched:
        link.wrong_that_day, link.wrong_at = link.wrong_on(day) + 1, at
        link.save(update_fields=["wrong_at", "wrong_that_day"])
    shut = link.shut_on(day)
    _note_answer(link, matched, "locked_today" if shut else "", at)
    left = TRIES_A_DAY - link.wrong_on(day)
    return Answer(matched=matched, tries_left=left, locked=shut, today=True, needs_helper=link.offer.needs_helper)


def _is_of_age(link: PurchaseLink, birth_date: str, at: datetime) -> bool:
    """A minor's link whose patient came of age meanwhile. No row holds the day: it is seen when the right birth date is
    typed."""
    on = link.day_of(at)
    return link.offer.needs_helper and helping.is_grown(birth_date, on=on, organization=link.organization)


def _close_of_age(link: PurchaseLink, at: datetime) -> Answer:
    """Whoever acted for the patient does so no more, and the code would go to a contact that the clinic chose for the parent.
    So the link opens for nobody; the clinic sends the patient one of their own."""
    end(link=link, state=LinkState.REVOKED, reason=OF_AGE, by=audit.system("link"), at=at)
    audit.record(
        organization_id=link.organization_id, by=Actor("patient", str(link.public_id)), action="link.answered",
        entity=f"link:{link.public_id}", at=at, purpose="identity", outcome="refused", reason=OF_AGE,
        customer_key=link.offer.customer_key,
    )  # fmt: skip
    return Answer(matched=False, tries_left=link.tries_left, of_age=True)


def _note_answer(link: PurchaseLink, matched: bool, reason: str, at: datetime) -> None:
    audit.record(
        organization_id=link.organization_id, by=Actor("patient", str(link.public_id)), action="link.answered",
        entity=f"link:{link.public_id}", at=at, purpose="identity", outcome="success" if matched else "failure",
        reason=reason, customer_key=link.offer.customer_key,
    )  # fmt: skip


def _matches(link: PurchaseLink, birth_date: str, postal_code: str, family_name: str) -> bool:
    """Every part is compared, whatever the first says: equal work for every wrong answer."""
    offer, organization = link.offer, link.organization
    parts = [("birth", birth_date, offer.birth_digest)]
    if link.is_printed or (organization.match_postal_code and offer.postal_digest):
        parts.append(("postal", postal_code, offer.postal_digest))
    if link.is_printed or (organization.match_family_name and offer.family_digest):
        parts.append(("family", family_name, offer.family_digest))
    # What the chart did not have, or what was erased, is matched by nothing: not even by an empty answer.
    equal = [
        bool(digest) and hmac.compare_digest(identity_digest(what, offer.customer_key, value), bytes(digest))
        for what, value, digest in parts
    ]
    return all(equal)


def may_be_printed(recipient: RecipientFacts) -> bool:
    """Whether a patient without phone and e-mail can be recognized on paper alone: no code can be sent, so birth date,
    family name and postal code must all be on file. Not for a minor, whose helper is known by a code alone."""
    return not recipient.needs_helper and all(
        (recipient.birth_digest, recipient.family_digest, recipient.postal_digest)
    )


def mark_verified(*, link_id: int, at: datetime) -> None:
    """This link's holder is known: the one-time code came back, or all that a printed link asks was right. Whoever
    said no before has come back."""
    live = PurchaseLink.objects.filter(pk=link_id, state__in=LIVE_LINK)
    live.update(state=LinkState.VERIFIED, verified_at=at, declined_at=None)


def mark_declined(*, link_id: int, at: datetime) -> None:
    """The patient said no thanks: the clinician sees it. The link lives on, since they may change their mind."""
    PurchaseLink.objects.filter(pk=link_id, state__in=LIVE_LINK).update(declined_at=at)


# A link that ended so may be asked for anew by whoever holds it.
ASKABLE = ("expired", "locked")


@transaction.atomic
def ask_again(*, link_id: int, at: datetime) -> bool:
    """Whoever holds a link that is too old or locked asks the clinic for a new one: nothing is sent by it, since nobody has
    proved anything. True the first time."""
    rows = PurchaseLink.objects.select_for_update(of=("self",)).select_related("offer")
    link = rows.get(pk=link_id)
    if link.asked_again_at is not None or not _is_askable(link, at):
        return False
    link.asked_again_at = at
    link.save(update_fields=["asked_again_at"])
    audit.record(
        organization_id=link.organization_id, by=Actor("patient", str(link.public_id)), action="link.asked_again",
        entity=f"link:{link.public_id}", at=at, reason=link.state, customer_key=link.offer.customer_key,
    )  # fmt: skip
    return True


def _is_askable(link: PurchaseLink, at: datetime) -> bool:
    """The sweeper may not have come by yet: then the day decides."""
    too_old = link.state in LIVE_LINK and link.expires_at is not None and link.expires_at <= at
    return too_old or link.state in (LinkState.EXPIRED, LinkState.LOCKED)


def asking(organization_id: int) -> QuerySet[PurchaseLink]:
    """Links whose holders wait for a new one: nothing was offered to them since they asked."""
    newer = Offer.objects.filter(
        organization_id=organization_id, customer_key=OuterRef("offer__customer_key"),
        created_at__gt=OuterRef("asked_again_at"),
    )  # fmt: skip
    asked = PurchaseLink.objects.filter(organization_id=organization_id, asked_again_at__isnull=False)
    return asked.exclude(offer__customer_key="").exclude(Exists(newer)).select_related("offer").order_by("asked_again_at")


def spend(*, link_id: int, at: datetime, standing: bool = False) -> bool:
    """True for one caller, False for every other: the row decides. Only a verified link that lives is spent, or, on a
    standing yes, one that nobody has opened."""
    state, reason = (LinkState.SENT, STANDING) if standing else (LinkState.VERIFIED, "ordered")
    live = PurchaseLink.objects.filter(pk=link_id, state=state, expires_at__gt=at)
    return live.update(state=LinkState.COMPLETED, ended_at=at, end_reason=reason) == 1


def end(*, link: PurchaseLink, state: str, reason: str, by: Actor, at: datetime) -> bool:
    """Revoke, supersede or expire. False where the link was over already."""
    with transaction.atomic():
        moved = PurchaseLink.objects.filter(pk=link.pk, state__in=(LinkState.DRAFT, *LIVE_LINK)).update(
            state=state, ended_at=at, end_reason=reason
        )
        if moved:
            audit.record(
                organization_id=link.organization_id, by=by, action=f"link.{state}", entity=f"link:{link.public_id}", at=at,
                reason=reason,
            )  # fmt: skip
    return moved == 1


def expire_due(organization_id: int, at: datetime) -> int:
    """The sweeper's chore: links past their day, said so in the row; drafts that no prescriber sent too."""
    due = PurchaseLink.objects.filter(
        organization_id=organization_id, state__in=(LinkState.DRAFT, *LIVE_LINK), expires_at__lte=at
    )
    return sum(
        end(link=link, state=LinkState.EXPIRED, reason="expired", by=audit.system("sweeper"), at=at)
        for link in due[:200]
    )


def erase_digests(organization_id: int, at: datetime) -> int:
    """The eraser: by what an answer is checked goes when nobody can answer any more: no link lives, and none that was
    ordered from has a contact left to which a code could go, or, where it was printed, an item left to show."""
    contacts, lines = _held(Contact, "value"), _held(OfferLine, "packet")
    asked = PurchaseLink.objects.filter(
        Q(state__in=(LinkState.DRAFT, *LIVE_LINK))
        | Q(state=LinkState.COMPLETED, offer__in=contacts)
        | Q(state=LinkState.COMPLETED, delivery=Delivery.PRINTED, offer__in=lines)
    )
    due = Offer.objects.filter(organization_id=organization_id).exclude(birth_digest=b"")
    pks = list(due.exclude(pk__in=asked.values("offer_id")).order_by("pk").values_list("pk", flat=True)[:200])
    return Offer.objects.filter(pk__in=pks).update(birth_digest=b"", family_digest=b"", postal_digest=b"")


def _held(rows: type[Contact] | type[OfferLine], column: str) -> QuerySet[Any, Any]:
    """Offers of rows whose sealed value was not erased yet."""
    size = Func(F(column), function="octet_length", output_field=IntegerField())
    return rows.objects.annotate(size=size).filter(size__gt=0).values("offer_id")
