"""SMART App Launch 2.2, EHR launch: the protocol and nothing else, so that it can be read beside
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
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign

from ehrcommerce.ehr import tokens
from ehrcommerce.ehr.errors import BadToken, EhrUnreachable
from ehrcommerce.ehr.keys import Held
from ehrcommerce.wire.client import Partner, adapter_for
from ehrcommerce.wire.errors import BadAnswer, WireError

ASSERTION_LIFE_S, ASSERTION_BACKDATED_S = 240, 10
LONGEST_URL = 2000

# The minimum that the clinician's pages need (docs/connect-an-ehr), v2 suffixes in the order of the specification.
LAUNCH_SCOPES = (
    "launch", "openid", "fhirUser", "patient/Patient.r", "patient/MedicationRequest.rs", "patient/Medication.r",
    "patient/DeviceRequest.rs", "patient/ServiceRequest.rs", "user/Practitioner.r",
)  # fmt: skip
ONLINE = "online_access"


@dataclass(frozen=True)
class ClientApp:
    """Us, as one EHR knows us. `key` signs where the EHR registered our key set, `secret` where it gave us one."""

    client_id: str
    auth_method: str
    redirect_uri: str = ""
    secret: str = field(default="", repr=False)
    key: Held | None = field(default=None, repr=False)


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


def scopes(dialect: str, *, supported: frozenset[str], wanted: Sequence[str] = LAUNCH_SCOPES) -> str:
    """A5: the minimum, in the dialect that the EHR speaks; `online_access` only where the EHR knows it (A8)."""
    asked = [*wanted, *([ONLINE] if ONLINE in supported else [])]
    return " ".join(in_v1(scope) if dialect == "v1" else scope for scope in asked)


def in_v1(scope: str) -> str:
    """`patient/Task.cu` -> `patient/Task.write`, `patient/Patient.rs` -> `patient/Patient.read`."""
    head, dot, permissions = scope.rpartition(".")
    if not dot or "/" not in head:
        return scope
    reads, writes = bool(set(permissions) & set("rs")), bool(set(permissions) & set("cud"))
    return f"{head}.{'*' if reads and writes else 'write' if writes else 'read'}"


def authorization_fields(app: ClientApp, attempt: Attempt, *, launch: str, aud: str, scope: str) -> dict[str, str]:
    """A1: exactly these, `launch` unchanged (L5), and `nonce` for the id_token."""
    return {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": app.redirect_uri, "scope": scope,
        "state": attempt.state, "aud": aud, "launch": launch, "code_challenge": challenge(attempt.code_verifier),
        "code_challenge_method": "S256", "nonce": attempt.nonce,
    }  # fmt: skip


def authorization_url(endpoint: str, fields: Mapping[str, str]) -> str:
    """A4: a query that the endpoint already has stays (RFC 6749, section 3.1)."""
    parts = urlsplit(endpoint)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


# ---------------------------------------------------------------------------------------------- step 2: access token
def exchange_code(
    app: ClientApp, *, partner: Partner, token_endpoint: str, code: str, code_verifier: str, requested: str
) -> tokens.TokenAnswer:
    """T1 to T4, then T5 to T7. Raises the family of errors.LaunchRefused."""
    found = _ask(
        app,
        partner,
        token_endpoint,
        grant_type="authorization_code",
        code=code,
        redirect_uri=app.redirect_uri,
        code_verifier=code_verifier,
    )
    return tokens.parse(found, requested=requested)


def refresh(
    app: ClientApp, *, partner: Partner, token_endpoint: str, refresh_token: str, granted: str
) -> tokens.TokenAnswer:
    """R1: no scope is sent, so the answer can be no wider. The caller keeps the old context (R2, R5)."""
    found = _ask(app, partner, token_endpoint, grant_type="refresh_token", refresh_token=refresh_token)
    return tokens.parse(found, requested=granted, patient_needed=False)


def client_credentials(app: ClientApp, *, partner: Partner, token_endpoint: str, scope: str) -> tokens.TokenAnswer:
    """Backend Services (K5): https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""
    found = _ask(app, partner, token_endpoint, grant_type="client_credentials", scope=scope)
    return tokens.parse(found, requested=scope, patient_needed=False)


def _ask(app: ClientApp, partner: Partner, token_endpoint: str, **fields: str) -> dict[str, Any]:
    """One POST to the token endpoint, not followed anywhere, read by our own strict reader."""
    try:
        found: dict[str, Any] = _session(app, partner).fetch_token(token_endpoint, allow_redirects=False, **fields)
    except BadAnswer as problem:
        raise BadToken from problem
    except WireError as problem:
        raise EhrUnreachable from problem
    return found


class _Session(OAuth2Session):  # type: ignore[misc]  # Authlib comes without types
    """Authlib's session with our reader of answers: its own takes null tokens, other token types and lists."""

    def parse_response_token(self, resp: Any) -> dict[str, Any]:
        return tokens.read_answer(resp.status_code, resp.content)


def _session(app: ClientApp, partner: Partner) -> OAuth2Session:
    session = _Session(
        client_id=app.client_id, client_secret=_secret(app), token_endpoint_auth_method=app.auth_method, leeway=0
    )
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter_for(partner))
    if app.key is not None:
        session.register_client_auth_method(ShortAssertion(app.key))
    return session


def _secret(app: ClientApp) -> Any:
    return app.key.key if app.key is not None else app.secret


class ShortAssertion(PrivateKeyJWT):  # type: ignore[misc]  # Authlib comes without types
    """K3, K4: four minutes, a new `jti` each time, `kid` and `typ`. Authlib's own lives an hour and has no `kid`; given
    claims to shorten it, it repeats them and the `jti` at every use."""

    def __init__(self, held: Held) -> None:
        super().__init__(alg=held.alg)
        self.kid = held.kid

    def sign(self, auth: Any, token_endpoint: str) -> str:
        issued = int(time.time()) - ASSERTION_BACKDATED_S
        signed: str = private_key_jwt_sign(
            auth.client_secret, client_id=auth.client_id, token_endpoint=token_endpoint, alg=self.alg, claims={},
            header={"kid": self.kid, "typ": "JWT"}, issued_at=issued,
            expires_at=issued + ASSERTION_BACKDATED_S + ASSERTION_LIFE_S,
        )  # fmt: skip
        return signed
