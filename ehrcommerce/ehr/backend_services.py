"""Tokens for reading when no clinician is present (SMART Backend Services): one for each connection and set of scopes,
kept in this process until shortly before it ends. Many workers ask at once; one of them asks the EHR."""

from collections.abc import Sequence

from django.utils import timezone

from ehrcommerce.ehr import alerts, client_app, discovery, smart
from ehrcommerce.ehr.errors import (
    BackendRefused,
    BackendUnanswered,
    ClientRefused,
    EndpointElsewhere,
    IssuerChanged,
    LaunchRefused,
    NoBackendServices,
    PkceDowngrade,
    ScopeRefused,
    TokenRefused,
)
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.ehr.oneflight import OneFlight

BEFORE_END_S = 30.0
REFUSED_REST_S = 300.0
# What the EHR said in the agreed form and would say again: only a person can change it.
REFUSALS = (ClientRefused, TokenRefused, ScopeRefused, IssuerChanged, EndpointElsewhere, PkceDowngrade)

_tokens: OneFlight[str] = OneFlight()
_granted: OneFlight[str] = OneFlight()
_refused: OneFlight[bool] = OneFlight()


def token(connection: EhrConnection, *, scopes: Sequence[str], refused: str = "") -> str:
    """A bearer for exactly these `system/` scopes. `refused` is a token that the EHR just answered with 401: it is
    replaced once. Raises NoBackendServices, BackendRefused, BackendUnanswered."""
    if (
        not connection.backend_services
        or not connection.enabled
        or connection.client_auth != client_app.PRIVATE_KEY_JWT
    ):
        raise NoBackendServices
    key = _key(connection, scopes)
    if _refused.peek(key):
        raise BackendRefused
    if refused:
        _tokens.drop(key, refused)
    return _tokens.get(key, lambda: _fetch(connection, key))


def granted(connection: EhrConnection, *, scopes: Sequence[str]) -> str:
    """T6: what the EHR said it granted with the token for these scopes; "" where this process holds none."""
    return _granted.peek(_key(connection, scopes)) or ""


def _key(connection: EhrConnection, scopes: Sequence[str]) -> tuple[int, str, str, str]:
    return (connection.pk, connection.fhir_base, connection.client_id, _scope(connection, scopes))


def forget() -> None:
    """Empty the cache of this process: after a connection was changed."""
    _tokens.clear()
    _granted.clear()
    _refused.clear()


def _scope(connection: EhrConnection, scopes: Sequence[str]) -> str:
    asked = sorted(set(scopes))
    return " ".join(smart.in_v1(scope) if connection.scope_dialect == "v1" else scope for scope in asked)


def _fetch(connection: EhrConnection, key: tuple[int, str, str, str]) -> tuple[str, float]:
    """K5, K6, K8: a refusal is not repeated for five minutes, whoever asks."""
    try:
        answer = smart.client_credentials(
            client_app.of(connection), partner=discovery.connection_partner(connection), scope=key[-1],
            token_endpoint=discovery.configuration(connection).token_endpoint,
        )  # fmt: skip
    except REFUSALS as problem:
        _refused.get(key, lambda: (True, REFUSED_REST_S))
        if isinstance(problem, ClientRefused):
            alerts.note(connection, alerts.CLIENT, timezone.now())
        raise BackendRefused from problem
    except LaunchRefused as problem:
        # A page of a gateway, half a document, nothing at all: no word of the EHR's. Waiting work asks again.
        raise BackendUnanswered from problem
    life_s = max(answer.expires_in_s - BEFORE_END_S, 1.0)
    _granted.drop(key)
    _granted.get(key, lambda: (answer.scope, life_s))
    return answer.access_token, life_s
