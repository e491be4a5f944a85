"""A launch from the chart's button to an open session, in four verbs: find the connection, begin an attempt, take the
attempt back at the callback, finish it. Each attempt is a row that one callback consumes, in the browser that began
it."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection as database
from django.db import transaction
from django.utils.crypto import constant_time_compare

from ehrcommerce.accounts import agreements
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.services import Actor
from ehrcommerce.ehr import alerts, cds_cards, client_app, discovery, identity, knob_rules, sessions, smart, users
from ehrcommerce.ehr.discovery import SmartConfiguration
from ehrcommerce.ehr.errors import (
    AgreementMissing,
    BadCallback,
    BadIdentity,
    BadIssuer,
    BadLaunch,
    ClinicianUnsaid,
    ConnectionDisabled,
    EhrBusy,
    EhrSetup,
    LacksCapability,
    LaunchRefused,
    MixedUp,
    NoPatient,
    NoStandalone,
    NotAClinician,
    OtherBrowser,
    PatientNotNamed,
    ScopeRefused,
    SignInRefused,
    StateUnknown,
    StateUsed,
    UnknownIssuer,
)
from ehrcommerce.ehr.identity import Identity
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import EhrConnection, EhrSession, LaunchAttempt
from ehrcommerce.ehr.tokens import TokenAnswer
from ehrcommerce.vault import walls

ATTEMPT_LIFE = timedelta(minutes=10)
LONGEST_LAUNCH, LONGEST_CODE = 8192, 8192
STATE = re.compile(r"[\w-]{12}\.[\w-]{22,64}", re.ASCII)
# RFC 6749, section 4.1.2.1, and OpenID Connect Core, section 3.1.2.6: what the EHR's own code means for the reader.
ERRORS: dict[str, type[LaunchRefused]] = {
    "access_denied": SignInRefused, "login_required": SignInRefused, "consent_required": SignInRefused,
    "interaction_required": SignInRefused, "server_error": EhrBusy, "temporarily_unavailable": EhrBusy,
    "invalid_scope": ScopeRefused, "unauthorized_client": EhrSetup, "unsupported_response_type": EhrSetup,
    "invalid_request": EhrSetup, "invalid_client": EhrSetup,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------- connections
def connection_by_iss(issuers: Sequence[str]) -> EhrConnection:
    """L2, L3: the registered row of one `iss`, inside the walls of its organization. Nothing is sent anywhere."""
    if len(issuers) != 1:
        raise BadIssuer
    found = _crossing("SELECT pk, organization_id FROM ehrc_connection_by_iss(%s)", canonical_iss(issuers[0]))
    if found is None:
        raise UnknownIssuer
    return found


def connection_to_start(slug: str) -> EhrConnection:
    """L6: the connection of a start without the EHR's button, where its row allows that. An address that nobody has is
    answered like one that does not allow it: who asks learns nothing about a clinic."""
    try:
        found = connection_by_slug(slug)
    except StateUnknown as problem:
        raise NoStandalone from problem
    _require_allowed(found)
    return found


def connection_by_slug(slug: str) -> EhrConnection:
    """The connection that a redirect address belongs to, inside the walls of its organization."""
    found = _crossing("SELECT pk, organization_id FROM ehrc_connection_by_slug(%s)", slug)
    if found is None:
        raise StateUnknown
    return found


def _crossing(question: str, value: str) -> EhrConnection | None:
    with database.cursor() as cursor:
        cursor.execute(question, [value])
        row = cursor.fetchone()
    if row is None:
        return None
    walls.enter(row[1])
    return EhrConnection.objects.select_related("organization").get(pk=row[0])


def require_usable(connection: EhrConnection, at: datetime) -> None:
    """Raises ConnectionDisabled and AgreementMissing (design law 9)."""
    if not connection.enabled:
        raise ConnectionDisabled
    if not agreements.is_live(organization_id=connection.organization_id, party=connection.party, service="chart", at=at):
        raise AgreementMissing


# ------------------------------------------------------------------------------------------------------------- begin
@dataclass(frozen=True)
class Begun:
    """Where the browser goes next: `endpoint` with `fields`, by GET, or by a form where the address would be too
    long."""

    endpoint: str
    fields: dict[str, str] = field(repr=False)
    browser: str = field(repr=False)
    by_form: bool = False

    @property
    def url(self) -> str:
        return smart.authorization_url(self.endpoint, self.fields)


def one_launch(values: Sequence[str]) -> str:
    """L5: exactly one `launch`, of any form but of bounded length; it goes on unchanged and is shown nowhere."""
    if len(values) != 1 or not 0 < len(values[0]) <= LONGEST_LAUNCH or "\x00" in values[0]:
        raise BadLaunch
    return values[0]


def begin(
    connection: EhrConnection, *, launch: str, launch_key: str, at: datetime, second_try: bool = False,
    reduced: bool = False,
) -> Begun:  # fmt: skip
    """Write the attempt and say where to go. No `launch`: staff began without the EHR. Raises errors.LaunchRefused; then
    nothing was written."""
    require_usable(connection, at)
    published = discovery.configuration(connection)
    if not launch:
        _require_standalone(connection, published)
    scope = _wanted(connection, published, standalone=not launch, reduced=reduced)
    attempt, browser = smart.new_attempt(launch_key), secrets.token_urlsafe(24)
    if connection.nonce_policy == "off":
        attempt = replace(attempt, nonce="")
    LaunchAttempt.objects.create(
        organization_id=connection.organization_id, connection=connection, launch_key=launch_key,
        state_sha256=_sha256(attempt.state), browser_sha256=_sha256(browser), code_verifier=attempt.code_verifier,
        nonce=attempt.nonce, launch=launch, started_at=at, expires_at=at + ATTEMPT_LIFE, second_try=second_try,
        scope=scope, reduced=reduced,
    )  # fmt: skip
    fields = smart.authorization_fields(
        client_app.of(connection), attempt, launch=launch, aud=connection.aud, scope=scope
    )
    begun = Begun(published.authorization_endpoint, fields, browser)
    # A7: Epic takes a form at an EHR launch only, and a standalone start has no long value anyway.
    long = bool(launch) and len(begun.url) > smart.LONGEST_URL and "authorize-post" in published.capabilities
    return Begun(begun.endpoint, fields, browser, by_form=long)


def _require_standalone(connection: EhrConnection, published: SmartConfiguration) -> None:
    """D5: an EHR that lists what it can do, and not this, would only show an error page of its own."""
    _require_allowed(connection)
    if published.capabilities and "launch-standalone" not in published.capabilities:
        raise LacksCapability


def _require_allowed(connection: EhrConnection) -> None:
    """Without the EHR's button anybody who can sign in at the EHR gets here, also a patient of its portal: so the EHR
    must say who is a clinician."""
    if not connection.standalone:
        raise NoStandalone
    if not knob_rules.standalone_is_safe(connection.standalone, connection.fhir_user_policy):
        raise ClinicianUnsaid


def _wanted(
    connection: EhrConnection, published: SmartConfiguration, *, standalone: bool = False, reduced: bool = False
) -> str:
    """A5, A6: the row's own scopes, or ours in the dialect that the EHR speaks (D5); the fewest after an
    invalid_scope."""
    user_needed = connection.fhir_user_policy != identity.NOT_NEEDED
    if connection.launch_scopes and not reduced:
        return smart.own_scopes(connection.launch_scopes, standalone=standalone, user_needed=user_needed)
    usual = smart.FEWEST if reduced else smart.LAUNCH_SCOPES
    return smart.scopes(
        dialect(connection, published), standalone=standalone,
        supported=frozenset() if reduced else published.scopes_supported,
        wanted=[scope for scope in usual if user_needed or scope != "fhirUser"],
    )  # fmt: skip


def dialect(connection: EhrConnection, published: SmartConfiguration) -> str:
    """v1 where the row says so, and where the EHR lists `permission-v1` without `permission-v2`."""
    old = "permission-v1" in published.capabilities and "permission-v2" not in published.capabilities
    return "v1" if old else connection.scope_dialect


# ---------------------------------------------------------------------------------------------------------- callback
@dataclass(frozen=True)
class Returned:
    """The query of a callback: exactly one state, and either a code or an error."""

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    issuer: str | None = None


def one_state(values: Sequence[str]) -> str:
    """B1: looked at before anything else."""
    if len(values) != 1 or not STATE.fullmatch(values[0]):
        raise StateUnknown
    return values[0]


def returned(state: str, *, codes: Sequence[str], errors: Sequence[str], issuers: Sequence[str]) -> Returned:
    """B3: one code or one error, not both, nothing twice."""
    if len(codes) + len(errors) != 1 or len(issuers) > 1:
        raise BadCallback
    code, error = "".join(codes), "".join(errors)
    if not error and not re.fullmatch(rf"[\x20-\x7e]{{1,{LONGEST_CODE}}}", code):
        raise BadCallback
    return Returned(state, code, error[:64] or "", issuers[0] if issuers else None)


def waiting(connection: EhrConnection, state: str, at: datetime) -> LaunchAttempt:
    """The attempt of this state at this connection. Raises StateUnknown, StateUsed, MixedUp."""
    attempt = LaunchAttempt.objects.filter(state_sha256=_sha256(state)).first()
    if attempt is None or attempt.expires_at <= at:
        raise StateUnknown
    if attempt.connection_id != connection.pk:
        raise MixedUp
    if attempt.consumed_at is not None:
        raise StateUsed
    return attempt


def consume(attempt: LaunchAttempt, *, browser: str, at: datetime) -> None:
    """B1: for one caller, in the browser that began it. Raises OtherBrowser and StateUsed; the row decides."""
    if not constant_time_compare(_sha256(browser), bytes(attempt.browser_sha256)):
        raise OtherBrowser
    _use_up(attempt, at)


def begin_again(connection: EhrConnection, attempt: LaunchAttempt, *, launch_key: str, at: datetime) -> Begun:
    """The cookie did not come along (the EHR's sign-in left the frame): the code is thrown away and ONE new attempt
    begins in this window. Whoever owns the window signs in to the EHR as themselves, so a foreign code gains
    nothing."""
    _use_up(attempt, at)
    return begin(
        connection, launch=attempt.launch, launch_key=launch_key, at=at, second_try=True, reduced=attempt.reduced
    )


def may_reduce(connection: EhrConnection, attempt: LaunchAttempt) -> bool:
    """After an invalid_scope: one more attempt with the fewest scopes, where the row allows it."""
    return connection.retry_reduced_scopes and not attempt.reduced


def begin_reduced(connection: EhrConnection, attempt: LaunchAttempt, *, launch_key: str, at: datetime) -> Begun:
    """A new attempt: its own state, verifier and place; the first one is used up."""
    return begin(
        connection, launch=attempt.launch, launch_key=launch_key, at=at, second_try=attempt.second_try, reduced=True
    )


def _use_up(attempt: LaunchAttempt, at: datetime) -> None:
    free = LaunchAttempt.objects.filter(pk=attempt.pk, consumed_at=None, expires_at__gt=at)
    if free.update(consumed_at=at) != 1:
        raise StateUsed


def finish(connection: EhrConnection, attempt: LaunchAttempt, answer: Returned, *, at: datetime) -> EhrSession:
    """From a consumed attempt to a session: one request to the EHR when its documents are cached."""
    require_usable(connection, at)
    published = discovery.configuration(connection)
    issuers = _issuers(connection, published, answer)
    if answer.error:
        raise ERRORS.get(answer.error, BadCallback)
    token = smart.exchange_code(
        client_app.of(connection), partner=discovery.connection_partner(connection),
        token_endpoint=published.token_endpoint, code=answer.code, code_verifier=attempt.code_verifier,
        requested=attempt.scope or _wanted(connection, published, standalone=not attempt.launch),
    )  # fmt: skip
    expected = _expected(connection, attempt, token, issuers, answer.code)
    if not token.patient:
        raise _why_no_patient(connection, published, token, expected, at)
    if not token.id_token:
        raise BadIdentity
    who = _identity(connection, published, token, expected, at)
    if who.patient not in ("", token.patient):
        raise BadIdentity
    users.require_let_in(connection, who)
    with transaction.atomic():
        _pin(connection, published.issuer or who.issuer, published, token.tenant, at)
        card = cds_cards.spend(connection, token.app_context, patient=token.patient, user=who.fhir_user, at=at)
        answer_of_card = replace(token, focus=card) if card is not None else token
        return sessions.start(
            connection=connection, launch_key=attempt.launch_key, answer=answer_of_card, identity=who, at=at,
            from_card=card is not None,
        )  # fmt: skip


def _expected(
    connection: EhrConnection, attempt: LaunchAttempt, token: TokenAnswer, issuers: tuple[str, ...], code: str
) -> identity.Expected:
    return identity.Expected(
        issuers=issuers, client_id=connection.client_id, nonce=attempt.nonce, nonce_policy=connection.nonce_policy,
        algorithms=identity.allowed(connection.id_token_algs), fhir_base=connection.fhir_base,
        fhir_user_policy=connection.fhir_user_policy, access_token=token.access_token, code=code,
    )  # fmt: skip


def _identity(
    connection: EhrConnection, published: SmartConfiguration, token: TokenAnswer, expected: identity.Expected, at: datetime
) -> Identity:
    return identity.read_id_token(
        token.id_token, now_s=at.timestamp(), expected=expected,
        keys_for=lambda kid: discovery.keys_for(connection, published, kid=kid),
    )  # fmt: skip


def _why_no_patient(
    connection: EhrConnection, published: SmartConfiguration, token: TokenAnswer, expected: identity.Expected, at: datetime
) -> LaunchRefused:
    """T7: no chart, no launch. An EHR that names the user and never the patient is told from a launch outside of a
    chart as well as can be: by a sound id_token."""
    if not token.id_token:
        return NoPatient()
    try:
        _identity(connection, published, token, expected, at)
    except NotAClinician:
        return PatientNotNamed()
    except LaunchRefused:
        return NoPatient()
    return PatientNotNamed()


def _issuers(connection: EhrConnection, published: SmartConfiguration, answer: Returned) -> tuple[str, ...]:
    """B4 (RFC 9207): the pinned issuer or one listed beside it, which a callback that names one must name exactly."""
    found = connection.issuers if connection.oidc_issuer else tuple(filter(None, (published.issuer, *connection.issuers)))
    if not found:
        raise BadIdentity
    if (answer.issuer is None and published.names_issuer) or answer.issuer not in (None, *found):
        raise MixedUp
    return found


def _pin(connection: EhrConnection, issuer: str, published: SmartConfiguration, tenant: str, at: datetime) -> None:
    """At the first launch that succeeds, the EHR's own issuer rather than a further one that signed in: from now on a
    change at the EHR is refused, or reported and not used, until somebody looks at it (D6). X6: another tenant is
    reported."""
    addresses = {name: getattr(published, name) for name in discovery.PINNED_NAMES}
    first: dict[str, object] = {"oidc_issuer": issuer, "jwks_uri": published.jwks_uri, "pinned_endpoints": addresses}
    if tenant:
        first["tenant"] = tenant
    row = EhrConnection.objects.filter(pk=connection.pk)
    pinned = [
        name for name, value in first.items()
        if value and not getattr(connection, name)
        and row.filter(**{name: {} if name == "pinned_endpoints" else ""}).update(**{name: value})
    ]  # fmt: skip
    if pinned:
        audit.record(
            organization_id=connection.organization_id, by=Actor("ehr", str(connection.public_id)), at=at,
            action="connection.pinned", entity=f"connection:{connection.public_id}",
        )  # fmt: skip
    if tenant and connection.tenant not in ("", tenant):
        alerts.note(connection, alerts.TENANT, at)


def note_refusal(connection: EhrConnection, refusal: LaunchRefused, at: datetime) -> None:
    """The audit row of a launch that did not begin. Codes only: nothing that came from outside."""
    if isinstance(refusal, MixedUp) and not alerts.first_mixed_up(connection, at):
        return
    audit.record(
        organization_id=connection.organization_id, by=Actor("ehr", str(connection.public_id)), action="launch.refused",
        entity=f"connection:{connection.public_id}", at=at, outcome="refused", reason=refusal.code,
    )  # fmt: skip


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
