"""The authorization server: Authlib's, over Django requests, with tokens kept as hashes and RFC 9207's `iss`."""

import secrets
from datetime import timedelta
from functools import cache
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.integrations.django_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone

from ehrcommerce.sandbox.ehr import scopes
from ehrcommerce.sandbox.ehr.client_auth import SmartClientAssertion
from ehrcommerce.sandbox.ehr.grants import (
    CONFIDENTIAL,
    BackendService,
    RequiredS256,
    SmartAudience,
    SmartAuthorizationCode,
    SmartRefresh,
    launch_context,
    revoke,
)
from ehrcommerce.sandbox.ehr.models import AccessToken, Client, Knobs
from ehrcommerce.sandbox.ehr.models.oauth import digest


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
        wanted = include_refresh_token and scopes.wants_refresh(scope or "")
        token: dict[str, Any] = super().generate(grant_type, client, user, scope, expires_in, wanted)
        return token


def _opaque(**_: Any) -> str:
    return secrets.token_urlsafe(32)


def _life_s(client: Client, grant_type: str) -> int:
    turned = Knobs.current()["token_life_s"]
    return int(settings.TOKEN_LIFE_S if turned is None else turned)


class SmartServer(AuthorizationServer):  # type: ignore[misc]  # Authlib comes without types
    """The server of this EHR."""

    def __init__(self) -> None:
        super().__init__(Client, AccessToken)
        self.register_token_generator("default", SmartTokens())
        self.register_client_auth_method("private_key_jwt", SmartClientAssertion())
        self.register_grant(SmartAuthorizationCode, [RequiredS256(required=True), SmartAudience()])
        self.register_grant(SmartRefresh)
        self.register_grant(BackendService)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

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
            patient=launch.patient if launch else "",
            issued_at=now,
            expires_at=now + timedelta(seconds=token.get("expires_in", 0)),
        )

    def validate_requested_scope(self, scope: str | None) -> None:
        """The client's row decides what is granted; a scope that nobody knows is left out, not refused."""

    def handle_response(self, status_code: int, payload: Any, headers: list[tuple[str, str]]) -> HttpResponse:
        """Every redirect back to a client says who sends it (RFC 9207)."""
        named = [(name, _with_issuer(value) if name == "Location" else value) for name, value in headers]
        response: HttpResponse = super().handle_response(status_code, payload, named)
        return response


def _with_issuer(url: str) -> str:
    return str(add_params_to_uri(url, [("iss", settings.FHIR_BASE)]))


def _token_row(token: str) -> AccessToken | None:
    rows = AccessToken.objects.select_related("client", "user", "launch")
    return rows.filter(Q(access_sha256=digest(token)) | Q(refresh_sha256=digest(token))).first()


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib comes without types
    """RFC 7009. Either token ends both."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL

    def query_token(self, token_string: str, token_type_hint: str | None) -> AccessToken | None:
        """Authlib asks."""
        return _token_row(token_string)

    def revoke_token(self, token: AccessToken, request: Any) -> None:
        """Authlib asks."""
        revoke([token.pk])


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib comes without types
    """RFC 7662, with the launch context beside it as SMART has it."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL

    def query_token(self, token_string: str, token_type_hint: str | None) -> AccessToken | None:
        """Authlib asks."""
        return _token_row(token_string)

    def check_permission(self, token: AccessToken, client: Client, request: Any) -> bool:
        """A client sees its own tokens."""
        return token.check_client(client)

    def introspect_token(self, token: AccessToken) -> dict[str, Any]:
        """The facts of a live token."""
        facts: dict[str, Any] = {
            "active": True,
            "client_id": token.client.client_id,
            "scope": token.scope,
            "exp": int(token.expires_at.timestamp()),
            "iat": int(token.issued_at.timestamp()),
            "iss": settings.FHIR_BASE,
        }
        if token.user:
            facts |= {"sub": token.user.subject, "fhirUser": f"{settings.FHIR_BASE}/{token.user.fhir_user}"}
        context = launch_context(token.launch) if token.launch else {}
        return facts | {name: context[name] for name in ("patient", "encounter", "fhirContext") if name in context}


@cache
def server() -> SmartServer:
    """The one server of the process."""
    return SmartServer()
