"""The authorization server: Authlib's, over Django requests, with tokens kept as hashes and RFC 9207's `iss`."""

import secrets
from datetime import timedelta
from functools import cache
from typing import Any

from authlib.integrations.django_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone

from ehrcommerce.sandbox.ehr import client_auth, odd_scopes, redirects, scopes
from ehrcommerce.sandbox.ehr.grants import (
    CLIENT_AUTHENTICATION,
    BackendService,
    RequiredS256,
    SmartAudience,
    SmartAuthorizationCode,
    SmartRefresh,
    launch_context,
    revoke,
)
from ehrcommerce.sandbox.ehr.models import AccessToken, Client
from ehrcommerce.sandbox.ehr.models.oauth import digest
from ehrcommerce.sandbox.ehr.surroundings import here


class SmartTokens(BearerTokenGenerator):  # type: ignore[misc]  # Authlib comes without types
    """Opaque tokens; a refresh token only where the scope asks for one."""

    def __init__(self) -> None:
        super().__init__(access_token_generator=_opaque, refresh_token_generator=_opaque, expires_generator=_life_s)

    def generate(
        self,
        grant_type: str,
        client: Client,
        user: Any = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        """Authlib asks."""
        wanted = include_refresh_token and scopes.wants_refresh(scope or "", here().knobs["refresh_scopes"])
        token: dict[str, Any] = super().generate(grant_type, client, user, scope, expires_in, wanted)
        return token


def _opaque(**_: Any) -> str:
    return secrets.token_urlsafe(32)


def _life_s(client: Client, grant_type: str) -> int:
    turned = here().knobs["token_life_s"]
    if grant_type == "client_credentials" and here().knobs["backend_life_s"] is not None:
        turned = here().knobs["backend_life_s"]
    return int(settings.TOKEN_LIFE_S if turned is None else turned)


class SmartServer(AuthorizationServer):  # type: ignore[misc]  # Authlib comes without types
    """The server of this EHR."""

    def __init__(self) -> None:
        super().__init__(Client, AccessToken)
        self.register_token_generator("default", SmartTokens())
        self.register_client_auth_method("private_key_jwt", client_auth.SmartClientAssertion())
        self.register_client_auth_method("client_secret_basic", client_auth.basic)
        self.register_grant(SmartAuthorizationCode, [RequiredS256(required=True), SmartAudience()])
        self.register_grant(SmartRefresh)
        self.register_grant(BackendService)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    def authenticate_client(self, request: Any, methods: list[str], endpoint: str = "token") -> Client:
        """By the methods that this EHR takes, with `client_id` in the form where this EHR wants it."""
        offered = [method for method in methods if method in here().knobs["auth_methods"]]
        client: Client = super().authenticate_client(request, offered, endpoint)
        in_body, policy = "client_id" in request.form, here().knobs["client_id_in_body"]
        confidential = request.auth_method in ("private_key_jwt", "client_secret_basic")
        if confidential and ((policy == "forbidden" and in_body) or (policy == "required" and not in_body)):
            raise InvalidRequestError(f"client_id in the body is {policy} here.")
        return client

    def save_token(self, token: dict[str, Any], request: Any) -> AccessToken:
        """Keep hashes, and what the token reaches."""
        now = timezone.now()
        before = request.authorization_code or request.refresh_token
        launch = before.launch if before else None
        refresh = token.get("refresh_token")
        return AccessToken.objects.create(
            access_sha256=digest(token["access_token"]),
            refresh_sha256=digest(refresh) if refresh else "",
            client=request.client,
            user=request.user,
            launch=launch,
            code=request.authorization_code or (before.code if before else None),
            scope=token.get("scope", ""),
            profile=here().profile,
            patient=launch.patient if launch else "",
            issued_at=now,
            expires_at=now + timedelta(seconds=token.get("expires_in", 0)),
        )

    def validate_requested_scope(self, scope: str | None) -> None:
        """The client's row decides what is granted; a scope that nobody knows is left out, unless knobs say other."""
        if odd_scopes.is_refused(scope or "", here().knobs):
            raise InvalidScopeError()

    def handle_response(self, status_code: int, payload: Any, headers: list[tuple[str, str]]) -> HttpResponse:
        """Every redirect back to a client says who sends it (RFC 9207)."""
        named = [(name, redirects.back(value) if name == "Location" else value) for name, value in headers]
        response: HttpResponse = super().handle_response(status_code, payload, named)
        return response


def _token_row(token: str) -> AccessToken | None:
    rows = AccessToken.objects.select_related("client", "user", "launch").filter(profile=here().profile)
    return rows.filter(Q(access_sha256=digest(token)) | Q(refresh_sha256=digest(token))).first()


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib comes without types
    """RFC 7009. Either token ends both."""

    CLIENT_AUTH_METHODS = CLIENT_AUTHENTICATION

    def query_token(self, token_string: str, token_type_hint: str | None) -> AccessToken | None:
        """Authlib asks."""
        return _token_row(token_string)

    def revoke_token(self, token: AccessToken, request: Any) -> None:
        """Authlib asks."""
        revoke([token.pk])


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib comes without types
    """RFC 7662, with the launch context beside it as SMART has it."""

    CLIENT_AUTH_METHODS = CLIENT_AUTHENTICATION

    def query_token(self, token_string: str, token_type_hint: str | None) -> AccessToken | None:
        """Authlib asks."""
        return _token_row(token_string)

    def check_permission(self, token: AccessToken, client: Client, request: Any) -> bool:
        """A client sees its own tokens."""
        return token.check_client(client)

    def create_introspection_payload(self, token: AccessToken | None) -> dict[str, Any]:
        """The facts after the knobs of the launch."""
        facts: dict[str, Any] = super().create_introspection_payload(token)
        if token is not None and here().knobs["introspection"] == "inactive_with_data":
            facts = {**self.introspect_token(token), "active": False}
        changed = {**facts, **here().filled(here().knobs["introspection_response"])}
        return {name: value for name, value in changed.items() if value is not None}

    def introspect_token(self, token: AccessToken) -> dict[str, Any]:
        """The facts of a live token."""
        facts: dict[str, Any] = {
            "active": True,
            "client_id": token.client.client_id,
            "scope": token.scope,
            "exp": int(token.expires_at.timestamp()),
            "iat": int(token.issued_at.timestamp()),
            "iss": here().issuer,
        }
        if token.user:
            facts |= {"sub": token.user.subject, "fhirUser": f"{here().fhir_base}/{token.user.fhir_user}"}
        context = launch_context(token.launch) if token.launch else {}
        return facts | {name: context[name] for name in ("patient", "encounter", "fhirContext") if name in context}


@cache
def server() -> SmartServer:
    """The one server of the process."""
    return SmartServer()
