"""The three grants of the authorization server, on Authlib's classes, with what SMART App Launch adds to them."""

import secrets
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from django.utils import timezone

from ehrcommerce.sandbox.ehr import id_token, odd_scopes, scopes
from ehrcommerce.sandbox.ehr.models import AccessToken, AuthorizationCode, Client, EhrUser, Launch
from ehrcommerce.sandbox.ehr.models.oauth import digest
from ehrcommerce.sandbox.ehr.surroundings import here

CLIENT_AUTHENTICATION = ["private_key_jwt", "client_secret_basic", "client_secret_post", "none"]
Answer = tuple[int, dict[str, Any], list[tuple[str, str]]]


class RequiredS256(CodeChallenge):  # type: ignore[misc]  # Authlib comes without types
    """PKCE for every client, S256 only."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse what has no challenge, or names no method."""
        data = grant.request.payload.data
        if here().knobs["pkce"] == "if_sent" and not data.get("code_challenge"):
            return
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A code_challenge with code_challenge_method=S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class SmartAudience:
    """`aud` is this FHIR server, so that a token for it cannot be asked for on behalf of another one."""

    def __call__(self, grant: Any) -> None:
        """Hang the check into the authorization request."""
        grant.register_hook("after_validate_authorization_request_payload", self.validate_audience)

    def validate_audience(self, grant: Any, redirect_uri: str) -> None:
        """Exactly the FHIR base, unless the knob `aud_check` is more generous."""
        said, policy = grant.request.payload.datalist.get("aud", []), here().knobs["aud_check"]
        base = here().fhir_base.removesuffix("/fhir") if policy == "without_fhir" else here().fhir_base
        fitting = [base] + ([f"{base}/"] if policy == "slash_ok" else [])
        if policy != "off" and said not in [[each] for each in fitting]:
            raise InvalidRequestError("aud is the FHIR base address of this server.")


class SmartAuthorizationCode(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib comes without types
    """Authorization code with launch context and id_token. The request carries the launch as `smart_launch`."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTHENTICATION

    def validate_requested_scope(self) -> None:
        """Scopes that are not for this client are left out, or refused where the knob `unknown_scopes` says so."""
        super().validate_requested_scope()
        asked = str(self.request.payload.scope or "")
        granted = scopes.grant(requested=asked, allowed=self.request.client.scope)
        if here().knobs["unknown_scopes"] == "refuse" and len(granted.split()) < len(set(asked.split())):
            raise InvalidScopeError()

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
            code_challenge=data.get("code_challenge", ""),
            code_challenge_method=data.get("code_challenge_method", ""),
            expires_at=timezone.now() + timedelta(seconds=int(here().knobs["code_life_s"])),
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """The code, spent by this very look. A second look revokes what the first one brought."""
        rows = AuthorizationCode.objects.select_related("user", "launch", "client")
        found = rows.filter(code_sha256=digest(code), client=client).first()
        if found is None or found.profile != here().profile:
            return None
        if found.spend(at=timezone.now()):
            return found
        policy = here().knobs["code_reuse"]
        if policy == "allowed" and found.expires_at > timezone.now():
            return found
        if found.used_at is not None and policy == "revokes":
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
            id_token.put_into(token, code)
        return status, turned(token, keep=("id_token",)), headers


class SmartRefresh(RefreshTokenGrant):  # type: ignore[misc]  # Authlib comes without types
    """A refresh token works once and brings the next one; the knob `refresh` lets it stay good instead."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTHENTICATION
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> AccessToken | None:
        """The row whose refresh token this is, used up by this look."""
        rows = AccessToken.objects.select_related("user", "launch")
        found = rows.filter(refresh_sha256=digest(refresh_token), refresh_revoked_at=None).first()
        if found is None or found.profile != here().profile:
            return None
        if here().knobs["refresh"] != "rotate":
            return found
        live = AccessToken.objects.filter(pk=found.pk, refresh_revoked_at=None)
        return found if live.update(refresh_revoked_at=timezone.now()) == 1 else None

    def authenticate_user(self, refresh_token: AccessToken) -> EhrUser | None:
        """Whose it is."""
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: AccessToken) -> None:
        """The old access token ends with its refresh token, or alone where refresh tokens stay good."""
        if here().knobs["refresh"] == "rotate":
            revoke([refresh_token.pk])
        else:
            AccessToken.objects.filter(pk=refresh_token.pk).update(revoked_at=timezone.now())

    def create_token_response(self) -> Answer:
        """The same context as at the launch."""
        old: AccessToken = self.request.refresh_token
        status, token, headers = super().create_token_response()
        token.update(launch_context(old.launch))
        if here().knobs["refresh"] != "rotate":
            token.pop("refresh_token", None)
        if here().knobs["refresh"] == "same":
            token["refresh_token"] = self.request.form["refresh_token"]
        return status, turned(token, here().knobs["refresh_response"]), headers


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
        if here().knobs["backend_refresh"]:
            token["refresh_token"] = secrets.token_urlsafe(32)
        return status, turned(token), headers


def launch_context(launch: Launch | None) -> dict[str, Any]:
    """What the launch tells the app."""
    context: dict[str, Any] = {
        "need_patient_banner": True,
        "smart_style_url": f"{here().root}/ehr/smart-style.json",
    }
    if launch is not None and {"style", "style_answer"} & set(launch.knobs):
        context["smart_style_url"] += f"?launch={launch.pk}"
    if launch is None:
        return context
    context["patient"] = launch.patient
    if launch.encounter:
        context["encounter"] = launch.encounter
    if launch.orders:
        context["fhirContext"] = [{"reference": reference} for reference in launch.orders]
    return context


def turned(token: dict[str, Any], more: dict[str, Any] | None = None, *, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """The answer after the knobs `token_scope`, `token_response` and `token_null`; null takes a key away.

    keep: keys whose own null is meant.
    """
    knobs = here().knobs
    scope = odd_scopes.written(str(token.get("scope", "")), str(knobs["token_scope"]))
    nulls = [name for name in keep if name in token and token[name] is None]
    changed = {**token, "scope": scope, **here().filled({**knobs["token_response"], **(more or {})})}
    kept = {name: value for name, value in changed.items() if value is not None}
    return {**kept, **dict.fromkeys([*nulls, *knobs["token_null"]])}


def revoke(ids: Any) -> None:
    """End access tokens and the refresh tokens that came with them."""
    now = timezone.now()
    AccessToken.objects.filter(pk__in=list(ids)).update(revoked_at=now, refresh_revoked_at=now)
