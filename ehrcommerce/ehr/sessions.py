"""One successful launch, from its callback to its end. Hands a bearer to `access` and to nobody else.

A session ends after fifteen minutes without a request, at its absolute end, or when the EHR takes the token back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn
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
from ehrcommerce.ehr import client_app, discovery, identity, revocation, smart
from ehrcommerce.ehr.errors import (
    BadDiscovery,
    BadIdentity,
    BadToken,
    ClientRefused,
    EhrBusy,
    EhrUnreachable,
    NotAClinician,
    ScopeRefused,
    SessionOver,
    TokenRefused,
    UserDisabled,
)
from ehrcommerce.ehr.handles import chart_key
from ehrcommerce.ehr.identity import Identity
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.ehr.tokens import TokenAnswer
from ehrcommerce.vault import walls
from ehrcommerce.vault.fields import Sealed

RENEW_BEFORE = timedelta(seconds=30)
# Renewed at 80 % of its life, when that fails there is time for another try; never sooner than a minute after the last,
# which some EHRs throttle.
RENEW_SHARE, RENEW_FLOOR_S = 0.8, 60.0
# How long the EHR's "the token holds" is believed.
CHECK_EVERY = timedelta(minutes=5)
SEEN_STEP = timedelta(seconds=30)
KEEP_ATTEMPTS = timedelta(days=1)
KEEP_CONTEXT = timedelta(days=1)
CONTEXT = ("access_token", "refresh_token", "to_revoke", "patient", "encounter", "fhir_user", "focus")
BATCH = 200
_LOCK = 0x45485253  # advisory lock class: "EHRS"


@transaction.atomic
def start(
    *, connection: EhrConnection, launch_key: str, answer: TokenAnswer, identity: Identity, at: datetime,
    from_card: bool = False,
) -> EhrSession:  # fmt: skip
    """The session of a launch, its user (made at the first launch) and its audit row. Raises UserDisabled."""
    user = _user(connection, identity)
    session = EhrSession.objects.create(
        organization_id=connection.organization_id, connection=connection, user=user, launch_key=launch_key,
        access_token=answer.access_token, refresh_token=answer.refresh_token, scope=answer.scope,
        patient=answer.patient,
        fhir_user=identity.fhir_user, focus="\n".join(answer.focus),
        need_patient_banner=answer.need_patient_banner,
        style_url=answer.style_url if discovery.is_registered(connection, answer.style_url) else "",
        intent=answer.intent, tenant=answer.tenant, from_card=from_card,
        token_expires_at=at + timedelta(seconds=answer.expires_in_s), renew_at=_renew_at(answer, at), started_at=at,
        seen_at=at,
        ends_at=at + timedelta(seconds=settings.LAUNCH_SESSION_AGE_S),
    )  # fmt: skip
    audit.record(
        organization_id=connection.organization_id, by=user.actor, action="launch.opened",
        entity=f"launch:{session.public_id}",
        at=at, recipient=connection.party, customer_key=chart_key(connection.public_id, "Patient", answer.patient),
        reason="" if answer.names_scope else "scope_not_named",
    )  # fmt: skip
    return session


def _renew_at(answer: TokenAnswer, at: datetime) -> datetime:
    return at + timedelta(seconds=max(answer.expires_in_s * RENEW_SHARE, RENEW_FLOOR_S))


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


@transaction.atomic
def end(session: EhrSession, at: datetime, *, give_back: bool = False) -> None:
    """Over, and its tokens gone. Ending twice is harmless. `give_back`: the EHR is asked to forget them too (R6)."""
    rows = EhrSession.objects.filter(pk=session.pk)
    held = rows.select_for_update().get()
    first = rows.filter(ended_at=None).update(ended_at=at)
    tokens = _pair(held)
    changes: dict[str, object] = {"access_token": Sealed(b""), "refresh_token": Sealed(b"")}
    rows.update(**changes)
    if first and give_back and tokens:
        held.refresh_from_db()
        revocation.plan(held, tokens, at)
    session.refresh_from_db(fields=["ended_at", "access_token", "refresh_token"])


def _pair(holder: EhrSession | TokenAnswer) -> dict[str, str]:
    """The tokens that a row or an answer holds, by their kind."""
    found = {"access_token": str(holder.access_token), "refresh_token": str(holder.refresh_token)}
    return {kind: token for kind, token in found.items() if token}


@transaction.atomic
def leave(session: EhrSession, *, by: Actor, at: datetime) -> None:
    """Somebody signed out."""
    end(session, at, give_back=True)
    _note_end(session, by, at, outcome="success", reason="signed_out")


# ------------------------------------------------------------------------------------------------------ the bearer
def bearer(session: EhrSession, *, at: datetime) -> str:
    """A token that is good for half a minute at least. Renews it where the EHR gave a refresh token, else
    SessionOver."""
    if not _is_due(session, at) and session.access_token:
        return str(session.access_token)
    with _alone_with(session):
        _reread(session)
        if _is_due(session, at):
            _renew_in_time(session, at)
        return _usable(session)


def renewed(session: EhrSession, *, refused: str, at: datetime) -> str:
    """F3: a token in the place of one that the EHR just answered with 401. Once; raises SessionOver."""
    with _alone_with(session):
        _reread(session)
        if session.access_token == refused:
            _renew(session, at)
        return _usable(session)


def _is_due(session: EhrSession, at: datetime) -> bool:
    early = bool(session.refresh_token) and session.renew_at is not None and session.renew_at <= at
    return early or _is_spent(session, at)


def _is_spent(session: EhrSession, at: datetime) -> bool:
    return session.token_expires_at - RENEW_BEFORE <= at


def _reread(session: EhrSession) -> None:
    names = ("access_token", "refresh_token", "token_expires_at", "renew_at", "ended_at", "scope")
    session.refresh_from_db(fields=list(names))


def _usable(session: EhrSession) -> str:
    """Read again: somebody may have signed out while the EHR was asked."""
    _reread(session)
    if session.ended_at is not None or not session.access_token:
        raise SessionOver
    return str(session.access_token)


def _renew_in_time(session: EhrSession, at: datetime) -> None:
    """While the old token still lives, an EHR that cannot be asked is asked again a minute later."""
    try:
        _renew(session, at)
    except (EhrUnreachable, EhrBusy, BadDiscovery):
        if _is_spent(session, at):
            raise
        session.renew_at = at + timedelta(seconds=RENEW_FLOOR_S)
        session.save(update_fields=["renew_at"])


def _renew(session: EhrSession, at: datetime) -> None:
    """R1 to R5. A refused refresh token ends the launch; so does an answer about another patient or user."""
    if not session.refresh_token:
        raise SessionOver
    connection = session.connection
    try:
        answer = smart.refresh(
            client_app.of(connection), partner=discovery.connection_partner(connection), granted=session.scope,
            token_endpoint=discovery.configuration(connection).token_endpoint, refresh_token=session.refresh_token,
        )  # fmt: skip
    except (TokenRefused, ClientRefused, ScopeRefused, BadToken) as problem:
        end(session, at)
        raise SessionOver from problem
    if answer.patient not in ("", session.patient):
        _kill(session, answer, at, "refresh_other_patient")
    if answer.id_token and not _same_user(session, answer.id_token, at):
        _kill(session, answer, at, "refresh_other_user")
    if not _kept(session, answer, at):
        raise SessionOver


@transaction.atomic
def _kept(session: EhrSession, answer: TokenAnswer, at: datetime) -> bool:
    """The new pair in the row; False where the launch ended while the EHR was asked: then it goes back at once."""
    held = EhrSession.objects.select_for_update().get(pk=session.pk)
    if held.ended_at is not None:
        revocation.plan(held, _pair(answer), at, generation=revocation.LATE)
        return False
    session.access_token = answer.access_token
    session.refresh_token = answer.refresh_token or session.refresh_token
    session.token_expires_at, session.renew_at = at + timedelta(seconds=answer.expires_in_s), _renew_at(answer, at)
    if set(answer.scope.split()) <= set(session.scope.split()):
        session.scope = answer.scope  # narrower is the truth; wider was not what the clinician agreed to
    session.save(update_fields=["access_token", "refresh_token", "token_expires_at", "renew_at", "scope"])
    return True


def _same_user(session: EhrSession, id_token: str, at: datetime) -> bool:
    """I7: the same issuer, subject and audience as at the launch. A nonce need not be there again (OpenID Connect Core,
    section 12.2)."""
    connection = session.connection
    published = discovery.configuration(connection)
    try:
        who = identity.read_id_token(
            id_token, now_s=at.timestamp(),
            keys_for=lambda kid: discovery.keys_for(connection, published, kid=kid),
            expected=identity.Expected(
                issuers=(session.user.issuer,), client_id=connection.client_id, nonce="", nonce_policy="off",
                algorithms=identity.allowed(connection.id_token_algs), fhir_base=connection.fhir_base,
                fhir_user_policy=identity.NOT_NEEDED,
            ),
        )  # fmt: skip
    except (BadIdentity, NotAClinician):
        return False
    return who.subject == session.user.subject


def _kill(session: EhrSession, answer: TokenAnswer, at: datetime, reason: str) -> NoReturn:
    """The launch ends, and beside its own tokens the EHR gets back those that it just gave for somebody else."""
    with transaction.atomic():
        end(session, at, give_back=True)
        held = EhrSession.objects.select_for_update().get(pk=session.pk)
        revocation.plan(held, _pair(answer), at, generation=revocation.LATE)
        _note_end(session, Actor("ehr", str(session.connection.public_id)), at, outcome="refused", reason=reason)
    raise SessionOver


def _note_end(session: EhrSession, by: Actor, at: datetime, *, outcome: str, reason: str) -> None:
    audit.record(
        organization_id=session.organization_id, by=by, action="launch.ended", entity=f"launch:{session.public_id}",
        at=at, outcome=outcome, reason=reason,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ does it still hold
def still_active(session: EhrSession, *, at: datetime) -> bool:
    """N1: before a clinician's act, where the row says so, the EHR is asked whether the sign-in still holds. Its no ends
    the launch. No answer is no no: the reading that follows carries the same token."""
    connection = session.connection
    asked = session.checked_at or session.started_at
    if not connection.introspects or at - asked < CHECK_EVERY:
        return True
    token = bearer(session, at=at)
    try:
        published = discovery.configuration(connection)
        if not published.introspection_endpoint:
            return True
        said = smart.introspect(
            client_app.of(connection), partner=discovery.connection_partner(connection),
            token_endpoint=published.token_endpoint, endpoint=published.introspection_endpoint, token=token,
        )  # fmt: skip
    except (EhrUnreachable, BadToken, BadDiscovery):
        return True
    reason = _doubt(session, said, at)
    if not reason:
        EhrSession.objects.filter(pk=session.pk).update(checked_at=at)
        return True
    with transaction.atomic():
        end(session, at, give_back=True)  # a refresh token may outlive the token that is inactive
        _note_end(session, Actor("ehr", str(connection.public_id)), at, outcome="refused", reason=reason)
    return False


def _doubt(session: EhrSession, said: Mapping[str, object], at: datetime) -> str:
    """Why the launch must end, "" where it need not. Beside an `active: false` nothing is looked at."""
    if said.get("active") is not True:
        return "introspection_inactive"
    expires = said.get("exp")
    if isinstance(expires, (int, float)) and expires <= at.timestamp():
        return "introspection_inactive"
    stored = {"client_id": session.connection.client_id, "patient": session.patient}
    different = [name for name, value in stored.items() if name in said and value and said[name] != value]
    return f"introspection_other_{different[0]}" if different else ""


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
    ended = list(EhrSession.objects.filter(over, organization_id=organization_id, ended_at=None)[:BATCH])
    for session in ended:
        end(session, at, give_back=True)
    revocation.tidy(organization_id, at)
    old = LaunchAttempt.objects.filter(organization_id=organization_id, expires_at__lt=at - KEEP_ATTEMPTS)
    return len(ended) + old.delete()[0] + Session.objects.filter(expire_date__lt=at).delete()[0]


def forget_context(organization_id: int, at: datetime) -> int:
    """The eraser: whose chart it was and who looked goes a day after a launch ended; the audit has its own names."""
    held = Q()
    for name in CONTEXT:
        held |= ~Q(**{name: Sealed(b"")})
    due = EhrSession.objects.filter(held, organization_id=organization_id, ended_at__lte=at - KEEP_CONTEXT)
    return due.update(**{name: Sealed(b"") for name in CONTEXT})
