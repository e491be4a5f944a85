"""SMART App Launch 2.2, EHR launch and standalone launch: the protocol and nothing else, so that it can be read beside
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html : no database, no request. Steps are named as there.

Authlib speaks OAuth, on wire's transport (one registered origin, no redirects, deadlines). The session is built for
each exchange from our own connection row; nothing that the EHR publishes reaches its constructor."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign

from ehrcommerce.ehr import tokens
from ehrcommerce.ehr.errors import BadToken, EhrBusy, EhrUnreachable, ScopesMisset
from ehrcommerce.ehr.keys import Held
from ehrcommerce.wire.client import Answer, Partner, adapter_for
from ehrcommerce.wire.errors import BadAnswer, WireError
from ehrcommerce.wire.strict import one_object

ASSERTION_LIFE_S, ASSERTION_BACKDATED_S = 240, 10
LONGEST_URL = 2000
# H33: an authorization server that is busy is asked once more, after its own wish up to a limit: a code lives a minute.
BUSY, BUSY_WAIT_S, BUSY_WAIT_CAP_S = (429, 503), 1.0, 3.0

# The minimum that the clinician's pages need (docs/connect-an-ehr), v2 suffixes in the order of the specification.
LAUNCH_SCOPES = (
    "launch", "openid", "fhirUser", "patient/Patient.r", "patient/MedicationRequest.rs", "patient/Medication.r",
    "patient/DeviceRequest.rs", "patient/ServiceRequest.rs", "user/Practitioner.r",
)  # fmt: skip
ONLINE, OFFLINE, EHR_LAUNCH, PATIENT_PICKED = "online_access", "offline_access", "launch", "launch/patient"
# After an invalid_scope, where the row allows one more try: the banner and the prescriptions.
FEWEST = ("launch", "openid", "fhirUser", "patient/Patient.r", "patient/MedicationRequest.rs")
READABLE = frozenset({"Patient", "MedicationRequest", "Medication", "DeviceRequest", "ServiceRequest"})
ABOUT_USER = frozenset({"Practitioner", "PractitionerRole"})


@dataclass(frozen=True)
class ClientApp:
    """Us, as one EHR knows us. `key` signs where the EHR registered our key set, `secret` where it gave us one."""

    client_id: str
    auth_method: str
    redirect_uri: str = ""
    secret: str = field(default="", repr=False)
    key: Held | None = field(default=None, repr=False)
    basic_encoding: str = "raw"
    names_itself: bool = False
    assertion_aud: str = ""
    manners: tokens.Manners = tokens.STRICT


@dataclass(frozen=True)
class Attempt:
    """What one launch attempt must remember until its callback."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


# ------------------------------------------------------------------------------------- step 1: authorization request
def new_attempt(launch_key: str) -> Attempt:
    """A2, A3: `state` is `<launch key>.<192 random bits>`, so that the callback finds its own cookie; no data in it."""
    return Attempt(
        state=f"{launch_key}.{secrets.token_urlsafe(24)}",
        nonce=secrets.token_urlsafe(24),
        code_verifier=secrets.token_urlsafe(48),
    )


def challenge(code_verifier: str) -> str:
    """PKCE S256 (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()


def scopes(
    dialect: str, *, supported: frozenset[str], wanted: Sequence[str] = LAUNCH_SCOPES, standalone: bool = False
) -> str:
    """A5: the minimum, in the dialect that the EHR speaks; `online_access` only where the EHR knows it (A8). L6: without
    the EHR's button the patient is picked there."""
    asked = [*wanted, *([ONLINE] if ONLINE in supported else [])]
    spoken = [in_v1(scope) if dialect == "v1" else scope for scope in asked]
    return " ".join(PATIENT_PICKED if standalone and scope == EHR_LAUNCH else scope for scope in spoken)


def own_scopes(text: str, *, standalone: bool = False, user_needed: bool = True) -> str:
    """The scopes that a row asks for in place of ours (A6: also with a `?constraint`). Raises ScopesMisset for what the
    table of crossings does not cover. What a launch cannot be without is added: `launch`, `openid`, `fhirUser`."""
    asked = [word for word in dict.fromkeys(text.split()) if word not in (EHR_LAUNCH, PATIENT_PICKED)]
    if not all(_may_ask(word) for word in asked):
        raise ScopesMisset
    needed = (PATIENT_PICKED if standalone else EHR_LAUNCH, "openid", *(["fhirUser"] if user_needed else []))
    return " ".join(dict.fromkeys((*needed, *asked)))


def _may_ask(scope: str) -> bool:
    """Reading the types that a launch shows, and who is signed in; never a wildcard, never a write."""
    if scope in ("openid", "fhirUser", "profile", ONLINE, OFFLINE):
        return True
    found = tokens.grants(scope)
    if len(found) != 1 or set(found[0].permissions) - set("rs"):
        return False
    grant = found[0]
    known = {"patient": READABLE, "user": READABLE | ABOUT_USER}.get(grant.level, frozenset())
    return grant.resource in known


def in_v1(scope: str) -> str:
    """`patient/Task.cu` -> `patient/Task.write`, `patient/Patient.rs` -> `patient/Patient.read`."""
    head, dot, permissions = scope.rpartition(".")
    if not dot or "/" not in head:
        return scope
    reads, writes = bool(set(permissions) & set("rs")), bool(set(permissions) & set("cud"))
    return f"{head}.{'*' if reads and writes else 'write' if writes else 'read'}"


def authorization_fields(app: ClientApp, attempt: Attempt, *, launch: str, aud: str, scope: str) -> dict[str, str]:
    """A1: exactly these; `launch` unchanged (L5), and left out where staff began without the EHR (L6); `nonce` for the
    id_token, unless the row says that this EHR does not take one."""
    fields = {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": app.redirect_uri, "scope": scope,
        "state": attempt.state, "aud": aud, "launch": launch, "code_challenge": challenge(attempt.code_verifier),
        "code_challenge_method": "S256", "nonce": attempt.nonce,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value or name not in ("launch", "nonce")}


def authorization_url(endpoint: str, fields: Mapping[str, str]) -> str:
    """A4: a query that the endpoint already has stays (RFC 6749, section 3.1)."""
    parts = urlsplit(endpoint)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


# ---------------------------------------------------------------------------------------------- step 2: access token
def exchange_code(
    app: ClientApp, *, partner: Partner, token_endpoint: str, code: str, code_verifier: str, requested: str
) -> tokens.TokenAnswer:
    """T1 to T4, then T5 and T6; that a patient is named (T7) the caller checks. Raises the family of
    errors.LaunchRefused."""
    found = _ask_patiently(
        app,
        partner,
        token_endpoint,
        grant_type="authorization_code",
        code=code,
        redirect_uri=app.redirect_uri,
        code_verifier=code_verifier,
    )
    return tokens.parse(found, requested=requested, patient_needed=False, manners=app.manners)


def refresh(
    app: ClientApp, *, partner: Partner, token_endpoint: str, refresh_token: str, granted: str
) -> tokens.TokenAnswer:
    """R1: no scope is sent, so the answer can be no wider. The caller keeps the old context (R2, R5). R3: sent once."""
    found = _ask(app, partner, token_endpoint, grant_type="refresh_token", refresh_token=refresh_token)
    return tokens.parse(found, requested=granted, patient_needed=False, manners=app.manners)


def client_credentials(app: ClientApp, *, partner: Partner, token_endpoint: str, scope: str) -> tokens.TokenAnswer:
    """Backend Services (K5): https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""
    found = _ask_patiently(app, partner, token_endpoint, grant_type="client_credentials", scope=scope)
    return tokens.parse(found, requested=scope, patient_needed=False, manners=app.manners)


def _ask_patiently(app: ClientApp, partner: Partner, token_endpoint: str, **fields: str) -> dict[str, Any]:
    """Once more after "too busy" (429, 503), for grants that such an answer does not use up; a new assertion each time.
    Not where the EHR wants to be left alone for longer than somebody waits before a page."""
    try:
        return _ask(app, partner, token_endpoint, **fields)
    except EhrBusy as busy:
        if busy.wait_s is None or busy.wait_s > BUSY_WAIT_CAP_S:
            raise
        time.sleep(busy.wait_s)
    return _ask(app, partner, token_endpoint, **fields)


def _ask(app: ClientApp, partner: Partner, token_endpoint: str, **fields: str) -> dict[str, Any]:
    """One POST to the token endpoint, not followed anywhere, read by our own strict reader."""
    session = _session(app, partner, token_endpoint)
    if app.names_itself and app.auth_method in ("client_secret_basic", "private_key_jwt"):
        fields["client_id"] = app.client_id
    try:
        found: dict[str, Any] = session.fetch_token(token_endpoint, allow_redirects=False, **fields)
    except BadAnswer as problem:
        raise BadToken from problem
    except WireError as problem:
        raise EhrUnreachable from problem
    return found


# ------------------------------------------------------------------------------------------ afterwards: revoke, look up
def revoke(app: ClientApp, *, partner: Partner, token_endpoint: str, endpoint: str, token: str, kind: str) -> int:
    """R6 (RFC 7009): the status of the answer; 200 is "it is gone". `kind` is access_token or refresh_token. Raises
    wire.errors."""
    session = _session(app, partner, token_endpoint)
    session.revocation_endpoint_auth_method = app.auth_method
    answer = session.revoke_token(endpoint, token=token, token_type_hint=kind, allow_redirects=False)
    return int(answer.status_code)


def introspect(app: ClientApp, *, partner: Partner, token_endpoint: str, endpoint: str, token: str) -> dict[str, Any]:
    """N1 (RFC 7662): what the EHR says about a token. Raises EhrUnreachable and BadToken."""
    session = _session(app, partner, token_endpoint)
    try:
        answer = session.introspect_token(endpoint, token=token, token_type_hint="access_token", allow_redirects=False)
    except BadAnswer as problem:
        raise BadToken from problem
    except WireError as problem:
        raise EhrUnreachable from problem
    if answer.status_code == 429 or answer.status_code >= 500:
        raise EhrUnreachable
    try:
        found = one_object(answer.content)
    except ValueError as problem:
        raise BadToken from problem
    if answer.status_code != 200 or not isinstance(found.get("active"), bool):
        raise BadToken
    return found


class _Session(OAuth2Session):  # type: ignore[misc]  # Authlib comes without types
    """Authlib's session with our reader of answers: its own takes null tokens, other token types and lists."""

    def parse_response_token(self, resp: Any) -> dict[str, Any]:
        try:
            return tokens.read_answer(resp.status_code, resp.content)
        except EhrBusy as busy:
            busy.wait_s = _wait_s(resp) if resp.status_code in BUSY else None
            raise


def _wait_s(resp: Any) -> float:
    headers = {name.lower(): value for name, value in resp.headers.items()}
    said = Answer("", resp.status_code, headers, b"").retry_after_s()
    return BUSY_WAIT_S if said is None else float(said)


def _session(app: ClientApp, partner: Partner, token_endpoint: str) -> OAuth2Session:
    session = _Session(
        client_id=app.client_id, client_secret=_secret(app), token_endpoint_auth_method=app.auth_method, leeway=0
    )
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter_for(partner))
    session.register_client_auth_method(("client_secret_basic", _basic(app)))
    if app.key is not None:
        session.register_client_auth_method(ShortAssertion(app.key, app.assertion_aud or token_endpoint))
    return session


def _basic(app: ClientApp) -> Any:
    """T3: the Basic header, raw as SMART writes it, or each half form-urlencoded first (RFC 6749, section 2.3.1; Epic).
    Authlib's own knows the first way only, and fails on a secret outside of Latin-1."""

    def add(auth: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        halves = (app.client_id, app.secret)
        if app.basic_encoding == "urlencoded":
            halves = (quote_plus(app.client_id), quote_plus(app.secret))
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(halves).encode()).decode()
        return uri, headers, body

    return add


def _secret(app: ClientApp) -> Any:
    return app.key.key if app.key is not None else app.secret


class ShortAssertion(PrivateKeyJWT):  # type: ignore[misc]  # Authlib comes without types
    """K3, K4: four minutes, a new `jti` each time, `kid` and `typ`. Authlib's own lives an hour and has no `kid`; given
    claims to shorten it, it repeats them and the `jti` at every use."""

    def __init__(self, held: Held, audience: str) -> None:
        # The token address, also where another address of the same server is asked: that is what servers compare.
        super().__init__(token_endpoint=audience, alg=held.alg)
        self.kid = held.kid

    def sign(self, auth: Any, token_endpoint: str) -> str:
        issued = int(time.time()) - ASSERTION_BACKDATED_S
        signed: str = private_key_jwt_sign(
            auth.client_secret, client_id=auth.client_id, token_endpoint=token_endpoint, alg=self.alg, claims={},
            header={"kid": self.kid, "typ": "JWT"}, issued_at=issued,
            expires_at=issued + ASSERTION_BACKDATED_S + ASSERTION_LIFE_S,
        )  # fmt: skip
        return signed
