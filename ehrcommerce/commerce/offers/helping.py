"""Somebody acts for a patient: the parent of a minor, or a helper whom an adult named. The organization decides whether that
is possible at all, and what the helper of a minor may not see (45 CFR 164.502(g); state law lets minors decide alone on
some things).

A minor's helper is known by a code to a contact that the clinic has on file; an adult's helper by a code to the contact
that the patient, known by a code of their own, wrote down. Nobody types where a code for themselves goes."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.offers.errors import OfferProblem
from ehrcommerce.commerce.offers.models import Helper, Offer, OfferLine, Relation
from ehrcommerce.disclosure import consent
from ehrcommerce.policy import terms
from ehrcommerce.policy.packets import ContactPoint

PURPOSE = "helper"
# Who may act for a minor, and whom an adult may name.
FOR_MINOR = (Relation.PARENT, Relation.GUARDIAN, Relation.FOSTER_PARENT)
FOR_ADULT = (Relation.PARTNER, Relation.CHILD, Relation.PARENT, Relation.RELATIVE, Relation.FRIEND, Relation.CAREGIVER)


class HelperProblem(OfferProblem):
    """Nobody can act for this patient here."""


class HelpersOff(HelperProblem):
    """The patient is a minor, or somebody wants to act for a patient, and this organization has not switched on helpers. An
    administrator can: back office, Organizations, "Who may act for a patient"."""


class MinorPrivate(HelperProblem):
    """One of these orders is something on which this organization lets a minor decide alone, and a helper would see it. Leave
    it out, or ask an administrator: back office, Organizations, "What a helper of a minor may not see"."""


class NotNamed(HelperProblem):
    """The patient has not named this helper for this order, or took it back. The patient can name one on the order's page."""


def is_private(organization: Organization, *, kind: str, sku: str) -> bool:
    """Whether a minor decides alone on this: no helper of theirs may see it."""
    listed = {line.casefold() for line in terms.lines(organization.minor_private)}
    return bool({kind.casefold(), sku.casefold()} & listed)


def hides(offer: Offer, lines: Iterable[OfferLine]) -> bool:
    """Whether one of these lines is not for the eyes of who acts for this patient. The list of today counts."""
    return offer.needs_helper and any(
        is_private(offer.organization, kind=line.kind, sku=line.sold_as) for line in lines
    )


def is_grown(birth_date: str, *, on: date, organization: Organization) -> bool:
    """Whether somebody with this birth date decides alone on that day, by the organization's age."""
    born = date.fromisoformat(birth_date)
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day)) >= organization.adult_age


def require(organization: Organization) -> None:
    """Raises HelpersOff."""
    if not organization.helpers:
        raise HelpersOff


@transaction.atomic
def act_for_minor(*, offer: Offer, name: str, relation: str, by: Actor, at: datetime) -> Helper:
    """Who says to be the parent or guardian of this patient. Worth nothing before the code came back, which goes to a contact
    that the clinic has on file. Raises HelpersOff, NotNamed."""
    require(offer.organization)
    if not offer.needs_helper or relation not in FOR_MINOR:
        raise NotNamed
    helper = Helper(organization=offer.organization, offer=offer, relation=relation, name=name, created_at=at)
    helper.save()
    _note(helper, "helper.said", by, at)
    return helper


@transaction.atomic
def name_one(
    *, offer: Offer, name: str, relation: str, contact: ContactPoint, identity_level: int, language: str, text: str,
    by: Actor, at: datetime,
) -> Helper:  # fmt: skip
    """An adult patient lets somebody act for them in this order: a consent, with the words that were shown. Another helper
    who stood before stands no more. Raises HelpersOff, NotNamed."""
    require(offer.organization)
    if offer.needs_helper or relation not in FOR_ADULT:
        raise NotNamed
    for older in standing(offer):
        consent.withdraw(
            organization_id=offer.organization_id, subject=str(offer.public_id), recipient=older.party, by=by, at=at,
            reason="another_helper",
        )  # fmt: skip
    channel = {"phone": "sms", "email": "email"}[contact.system]
    helper = Helper(
        organization=offer.organization, offer=offer, relation=relation, name=name, channel=channel, value=contact.value,
        masked=contact.masked, created_at=at,
    )  # fmt: skip
    helper.save()
    consent.give(
        organization_id=offer.organization_id, customer_key=offer.customer_key, subject=str(offer.public_id),
        wanted=[consent.Wanted(purpose=PURPOSE, recipient=helper.party, recipient_name="")], language=language, text=text,
        identity_level=identity_level, by=by, at=at,
    )  # fmt: skip
    _note(helper, "helper.named", by, at)
    return helper


def standing(offer: Offer) -> list[Helper]:
    """Whom the patient named and did not take back, the newest first."""
    yes = consent.live(organization_id=offer.organization_id, subject=str(offer.public_id))
    parties = {row.recipient for row in yes if row.purpose == PURPOSE}
    rows = Helper.objects.filter(offer=offer).exclude(masked="").order_by("-pk")
    return [helper for helper in rows if helper.party in parties]


def named(*, offer: Offer, name: str, relation: str) -> Helper:
    """The helper whom the patient means by this name and relation. Raises HelpersOff, NotNamed."""
    require(offer.organization)
    for helper in standing(offer):
        if helper.relation == relation and _words(helper.name) & _words(name):
            return helper
    raise NotNamed


def may_act(helper: Helper) -> bool:
    """Whether this helper still may: asked with every page, so that what is taken back or switched off ends at once."""
    if not helper.organization.helpers:
        return False
    return helper.offer.needs_helper or any(one.pk == helper.pk for one in standing(helper.offer))


def _words(name: str) -> set[str]:
    """The words of a name as they are compared: without accents, and without single letters."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return set(re.findall(r"\w{2,}", plain))


def _note(helper: Helper, action: str, by: Actor, at: datetime) -> None:
    audit.record(
        organization_id=helper.organization_id, by=by, action=action, entity=helper.party, at=at, purpose="identity",
        reason=helper.relation, customer_key=helper.offer.customer_key,
    )  # fmt: skip
