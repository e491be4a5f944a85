"""One successful launch, from its callback to its end. Hands a bearer to `access` and to nobody else.

A session ends after fifteen minutes without a request, at its absolute end, or when the EHR takes the token back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.db import transaction
from django.db.models import Q

from ehrcommerce.accounts.models import User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.ehr import client_app, discovery, smart
from ehrcommerce.ehr.errors import BadToken, ClientRefused, SessionOver, TokenRefused, UserDisabled
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.identity import Identity
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.ehr.tokens import TokenAnswer
from ehrcommerce.vault import walls
from ehrcommerce.vault.fields import Sealed

RENEW_BEFORE = timedelta(seconds=30)
SEEN_STEP = timedelta(seconds=30)
KEEP_ATTEMPTS = timedelta(days=1)
KEEP_CONTEXT = timedelta(days=1)
CONTEXT = ("access_token", "refresh_token", "patient", "encounter", "fhir_user", "focus")
_LOCK = 0x45485253  # advisory lock class: "EHRS"


@transaction.atomic
def start(
    *, connection: EhrConnection, launch_key: str, answer: TokenAnswer, identity: Identity, at: datetime
) -> EhrSession:
    """The session of a launch, its user (made at the first launch) and its audit row. Raises UserDisabled."""
    user = _user(connection, identity)
    session = EhrSession.objects.create(
        organization_id=connection.organization_id, connection=connection, user=user, launch_key=launch_key,
        access_token=answer.access_token, refresh_token=answer.refresh_token, scope=answer.scope,
        patient=answer.patient,
        encounter=answer.encounter, fhir_user=identity.fhir_user, focus="\n".join(answer.focus),
        need_patient_banner=answer.need_patient_banner,
        style_url=answer.style_url if discovery.is_registered(connection, answer.style_url) else "",
        token_expires_at=at + timedelta(seconds=answer.expires_in_s), started_at=at, seen_at=at,
        ends_at=at + timedelta(seconds=settings.LAUNCH_SESSION_AGE_S),
    )  # fmt: skip
    audit.record(
        organization_id=connection.organization_id, by=user.actor, action="launch.opened",
        entity=f"launch:{session.public_id}",
        at=at, recipient=connection.party, customer_key=chart_key(connection.public_id, "Patient", answer.patient),
    )  # fmt: skip
    return session


def _user(connection: EhrConnection, identity: Identity) -> User:
    """I6: by issuer and subject. Whoever is new is a clinician; a prescriber only by NPI or an administrator, later."""
    user, _ = User.objects.get_or_create(
        organization_id=connection.organization_id, issuer=identity.issuer, subject=identity.subject,
        defaults={"username": f"ehr-{uuid4().hex}", "password": make_password(None)},
    )  # fmt: skip
    if not user.is_active:
        raise UserDisabled
    return user


def current(launch_key: str, at: datetime, *, seen: bool = True) -> EhrSession:
    """The live session of a launch, inside the walls of its organization. `seen`: somebody is there, not a page that
    asks by itself. Raises SessionOver."""
    organization_id = _organization(launch_key)
    if organization_id is None:
        raise SessionOver
    walls.enter(organization_id)
    rows = EhrSession.objects.select_related("user", "connection__organization")
    session = rows.filter(launch_key=launch_key).first()
    if session is None or not is_live(session, at) or not session.user.is_active or not session.connection.enabled:
        raise SessionOver
    if seen and at - session.seen_at > SEEN_STEP:
        EhrSession.objects.filter(pk=session.pk).update(seen_at=at)
    return session


def is_live(session: EhrSession, at: datetime) -> bool:
    """Not ended, not too old, not idle for too long."""
    idle = timedelta(seconds=settings.LAUNCH_IDLE_S)
    return session.ended_at is None and at < session.ends_at and at - session.seen_at < idle


def _organization(launch_key: str) -> int | None:
    with database.cursor() as cursor:
        cursor.execute("SELECT ehrc_launch_organization(%s)", [launch_key])
        found = cursor.fetchone()
    return found[0] if found else None


def frames_of(launch_key: str) -> list[str]:
    """The origins that may frame pages about this launch, also when it is over; none when it never was."""
    organization_id = _organization(launch_key)
    if organization_id is None:
        return []
    with walls.organization(organization_id):
        rows = EhrSession.objects.filter(launch_key=launch_key)
        return (rows.values_list("connection__frame_origins", flat=True).first() or "").split()


def end(session: EhrSession, at: datetime) -> None:
    """Over, and its tokens gone. Ending twice is harmless."""
    rows = EhrSession.objects.filter(pk=session.pk)
    rows.filter(ended_at=None).update(ended_at=at)
    rows.update(access_token=Sealed(b""), refresh_token=Sealed(b""))
    session.refresh_from_db(fields=["ended_at", "access_token", "refresh_token"])


# ------------------------------------------------------------------------------------------------------ the bearer
def bearer(session: EhrSession, *, at: datetime) -> str:
    """A token that is good for half a minute at least. Renews it where the EHR gave a refresh token, else
    SessionOver."""
    if session.token_expires_at - RENEW_BEFORE > at and session.access_token:
        return str(session.access_token)
    with _alone_with(session):
        session.refresh_from_db(fields=["access_token", "refresh_token", "token_expires_at", "ended_at"])
        if session.token_expires_at - RENEW_BEFORE <= at:
            _renew(session, at)
        if session.ended_at is not None or not session.access_token:
            raise SessionOver
        return str(session.access_token)


def _renew(session: EhrSession, at: datetime) -> None:
    """R1 to R5. A refused refresh token ends the launch; so does an answer about another patient."""
    if not session.refresh_token:
        raise SessionOver
    connection = session.connection
    try:
        answer = smart.refresh(
            client_app.of(connection), partner=discovery.connection_partner(connection), granted=session.scope,
            token_endpoint=discovery.configuration(connection).token_endpoint, refresh_token=session.refresh_token,
        )  # fmt: skip
    except (TokenRefused, ClientRefused, BadToken) as problem:
        end(session, at)
        raise SessionOver from problem
    if answer.patient not in ("", session.patient):
        _other_patient(session, at)
        raise SessionOver
    session.access_token = answer.access_token
    session.refresh_token = answer.refresh_token or session.refresh_token
    session.token_expires_at = at + timedelta(seconds=answer.expires_in_s)
    session.save(update_fields=["access_token", "refresh_token", "token_expires_at"])


def _other_patient(session: EhrSession, at: datetime) -> None:
    with transaction.atomic():
        end(session, at)
        audit.record(
            organization_id=session.organization_id, by=Actor("ehr", str(session.connection.public_id)),
            action="launch.ended",
            entity=f"launch:{session.public_id}", at=at, outcome="refused", reason="refresh_other_patient",
        )  # fmt: skip


@contextmanager
def _alone_with(session: EhrSession) -> Iterator[None]:
    """R3: one refresh at a time for a launch, over all processes, without a transaction open during the call."""
    key = [_LOCK, session.pk % 2**31]
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", key)
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


# -------------------------------------------------------------------------------------------------------- the chore
def tidy(organization_id: int, at: datetime) -> int:
    """Tokens of launches that are over are taken out; attempts and browser sessions that nobody can use any more go."""
    idle = timedelta(seconds=settings.LAUNCH_IDLE_S)
    over = Q(ends_at__lte=at) | Q(seen_at__lte=at - idle)
    ended = EhrSession.objects.filter(over, organization_id=organization_id, ended_at=None).update(
        ended_at=at, access_token=Sealed(b""), refresh_token=Sealed(b"")
    )
    old = LaunchAttempt.objects.filter(organization_id=organization_id, expires_at__lt=at - KEEP_ATTEMPTS)
    return ended + old.delete()[0] + Session.objects.filter(expire_date__lt=at).delete()[0]


def forget_context(organization_id: int, at: datetime) -> int:
    """The eraser: whose chart it was and who looked goes a day after a launch ended; the audit has its own names."""
    held = Q()
    for name in CONTEXT:
        held |= ~Q(**{name: Sealed(b"")})
    due = EhrSession.objects.filter(held, organization_id=organization_id, ended_at__lte=at - KEEP_CONTEXT)
    return due.update(**{name: Sealed(b"") for name in CONTEXT})
