"""The three grants of the authorization server, on Authlib's classes, with what SMART App Launch adds to them."""

import secrets
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from django.conf import settings
from django.utils import timezone

from ehrcommerce.sandbox.ehr import scopes
from ehrcommerce.sandbox.ehr.id_token import id_token
from ehrcommerce.sandbox.ehr.models import AccessToken, AuthorizationCode, Client, EhrUser, Knobs, Launch
from ehrcommerce.sandbox.ehr.models.oauth import digest

CONFIDENTIAL = ["private_key_jwt", "client_secret_basic"]
Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class RequiredS256(CodeChallenge):  # type: ignore[misc]  # Authlib comes without types
    """PKCE for every client, S256 only."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse what has no challenge, or names no method."""
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A code_challenge with code_challenge_method=S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class SmartAudience:
    """`aud` is this FHIR server, so that a token for it cannot be asked for on behalf of another one."""

    def __call__(self, grant: Any) -> None:
        """Hang the check into the authorization request."""
        grant.register_hook("after_validate_authorization_request_payload", self.validate_audience)

    def validate_audience(self, grant: Any, redirect_uri: str) -> None:
        """Exactly the FHIR base."""
        if grant.request.payload.datalist.get("aud", []) != [settings.FHIR_BASE]:
            raise InvalidRequestError("aud is the FHIR base address of this server.")


class SmartAuthorizationCode(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib comes without types
    """Authorization code with launch context and id_token. The request carries the launch as `smart_launch`."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL

    def generate_authorization_code(self) -> str:
        """256 bits."""
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Bind everything that the token request is compared with."""
        data = request.payload.data
        AuthorizationCode.objects.create(
            code_sha256=digest(code),
            client=request.client,
            user=request.user,
            launch=request.smart_launch,
            redirect_uri=data["redirect_uri"],
            scope=scopes.without_level(request.scope, "system"),
            nonce=data.get("nonce", ""),
            code_challenge=data["code_challenge"],
            code_challenge_method=data["code_challenge_method"],
            expires_at=timezone.now() + timedelta(seconds=AuthorizationCode.LIFE_S),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """The code, spent by this very look. A second look revokes what the first one brought."""
        rows = AuthorizationCode.objects.select_related("user", "launch", "client")
        found = rows.filter(code_sha256=digest(code), client=client).first()
        if found is None or found.spend(at=timezone.now()):
            return found
        if found.used_at is not None:
            revoke(AccessToken.objects.filter(code=found).values_list("pk", flat=True))
        return None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """It stays as a spent one, so that a second use is noticed."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> EhrUser:
        """Who approved."""
        return authorization_code.user

    def create_token_response(self) -> Answer:
        """The token with its launch context."""
        code: AuthorizationCode = self.request.authorization_code
        status, token, headers = super().create_token_response()
        token.update(launch_context(code.launch))
        if "openid" in code.scope.split():
            token["id_token"] = id_token(code)
        return status, turned(token), headers


class SmartRefresh(RefreshTokenGrant):  # type: ignore[misc]  # Authlib comes without types
    """A refresh token works once and brings the next one."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> AccessToken | None:
        """The row whose refresh token this is, used up by this look."""
        rows = AccessToken.objects.select_related("user", "launch")
        found = rows.filter(refresh_sha256=digest(refresh_token), refresh_revoked_at=None).first()
        if found is None:
            return None
        live = AccessToken.objects.filter(pk=found.pk, refresh_revoked_at=None)
        return found if live.update(refresh_revoked_at=timezone.now()) == 1 else None

    def authenticate_user(self, refresh_token: AccessToken) -> EhrUser | None:
        """Whose it is."""
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: AccessToken) -> None:
        """The old access token ends with its refresh token."""
        revoke([refresh_token.pk])

    def create_token_response(self) -> Answer:
        """The same context as at the launch."""
        old: AccessToken = self.request.refresh_token
        status, token, headers = super().create_token_response()
        token.update(launch_context(old.launch))
        return status, turned(token), headers


class BackendService(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib comes without types
    """SMART Backend Services: system scopes, and only for clients with keys."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)

    def validate_requested_scope(self) -> None:
        """Nothing but system scopes."""
        asked = (self.request.payload.scope or "").split()
        if not asked or any(not word.startswith("system/") for word in asked):
            raise InvalidScopeError()

    def create_token_response(self) -> Answer:
        """The plain token."""
        status, token, headers = super().create_token_response()
        return status, turned(token), headers


def launch_context(launch: Launch | None) -> dict[str, Any]:
    """What the launch tells the app."""
    context: dict[str, Any] = {
        "need_patient_banner": True,
        "smart_style_url": f"{settings.BASE_URL}/ehr/smart-style.json",
    }
    if launch is None:
        return context
    context["patient"] = launch.patient
    if launch.encounter:
        context["encounter"] = launch.encounter
    if launch.orders:
        context["fhirContext"] = [{"reference": reference} for reference in launch.orders]
    return context


def turned(token: dict[str, Any]) -> dict[str, Any]:
    """The answer after the knob `token_response`; null takes a key away."""
    changed = {**token, **Knobs.current()["token_response"]}
    return {name: value for name, value in changed.items() if value is not None}


def revoke(ids: Any) -> None:
    """End access tokens and the refresh tokens that came with them."""
    now = timezone.now()
    AccessToken.objects.filter(pk__in=list(ids)).update(revoked_at=now, refresh_revoked_at=now)
