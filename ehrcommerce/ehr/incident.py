"""The incident kit: in one organization everything that opens a door is void at once, and nothing new leaves until somebody
lifts the stop. Links are revoked, sessions of patients, clinicians and staff end, tokens go back to the EHR, suppliers get
nothing more (agreements.is_live says no while the stop stands). Few statements, however many rows."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from ehrcommerce.accounts.models import Organization
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.commerce.checkout.models import CheckoutSession
from ehrcommerce.commerce.offers.models import LIVE_LINK, LinkState, PurchaseLink
from ehrcommerce.ehr import sessions
from ehrcommerce.ehr.models import EhrSession, LaunchAttempt
from ehrcommerce.vault.fields import Sealed

_WAITING = ("eligibility", "quote", "address_on_file", "ship_to")


@dataclass(frozen=True, slots=True)
class Stopped:
    """How many of each were ended."""

    links: int
    checkouts: int
    launches: int
    attempts: int


def stop(*, organization_id: int, by: Actor, at: datetime) -> Stopped:
    """Call inside the walls. Doors first, in one short transaction; then the tokens, launch by launch."""
    with transaction.atomic():
        rows = Organization.objects.select_for_update().filter(pk=organization_id)
        rows.filter(read_only_since=None).update(read_only_since=at)
        rows.update(sessions_end_at=at)
        links = PurchaseLink.objects.filter(organization_id=organization_id, state__in=(*LIVE_LINK, LinkState.DRAFT))
        drafts = links.filter(state=LinkState.DRAFT).update(state=LinkState.REVOKED, expires_at=at, ended_at=at)
        ended = links.update(state=LinkState.REVOKED, ended_at=at, end_reason="incident")
        checkouts = CheckoutSession.objects.filter(organization_id=organization_id, ended_at=None)
        closed = checkouts.update(ended_at=at, expires_at=at, **{name: Sealed(b"") for name in _WAITING})
        attempts = LaunchAttempt.objects.filter(organization_id=organization_id, consumed_at=None, expires_at__gt=at)
        told = Stopped(drafts + ended, closed, _live(organization_id).count(), attempts.update(expires_at=at))
        _record(organization_id, by, "incident.stopped", at, f"{told.links} links {told.launches} launches")
        # From here on no request of a launch finds it: `current` asks for one that has not ended.
        live = list(_live(organization_id).values_list("pk", flat=True))
        EhrSession.objects.filter(pk__in=live).update(ends_at=at)
    for session in EhrSession.objects.filter(pk__in=live, ended_at=None).iterator(chunk_size=200):
        sessions.end(session, at, give_back=True)
    return told


def lift(*, organization_id: int, by: Actor, at: datetime) -> None:
    """New links may be made again. What was revoked stays so."""
    with transaction.atomic():
        Organization.objects.filter(pk=organization_id).update(read_only_since=None)
        _record(organization_id, by, "incident.lifted", at, "")


def _live(organization_id: int) -> QuerySet[EhrSession]:
    return EhrSession.objects.filter(organization_id=organization_id, ended_at=None)


def _record(organization_id: int, by: Actor, action: str, at: datetime, reason: str) -> None:
    audit.record(
        organization_id=organization_id, by=by, action=action, entity=f"organization:{organization_id}", at=at,
        reason=reason,
    )  # fmt: skip
