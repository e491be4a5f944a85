"""What an EHR publishes about its authorization server, read into a small record with an allow-list of names.

SMART App Launch 2.2, https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known . Never handed to a
library as it came: a poisoned document would switch off TLS verification, PKCE or the scope there
(docs/decisions/0005). Fetched once for many launches; an endpoint is used only on an origin registered for the row."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.utils import timezone
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from ehrcommerce.ehr import alerts
from ehrcommerce.ehr.errors import (
    BadDiscovery,
    CertificateMissing,
    EhrUnreachable,
    EndpointElsewhere,
    IssuerChanged,
    NoSmartConfiguration,
    PkceDowngrade,
)
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.ehr.oneflight import OneFlight
from ehrcommerce.wire.client import Answer, Partner, ask, origin
from ehrcommerce.wire.errors import BadAnswer, WireError
from ehrcommerce.wire.strict import one_object

logger = logging.getLogger(__name__)

SHORTEST_S, LONGEST_S = 300.0, 24 * 3600.0
REFETCH_S = 300.0
MAX_DOCUMENT, MAX_KEY_SET, MAX_KEYS = 256 * 1024, 100 * 1024, 20
SMART, OPENID, PINNED = "smart_configuration", "openid_configuration", "pinned"
# Of the addresses that the first launch pinned, those that everything hangs on.
PINNED_NAMES = ("authorization_endpoint", "token_endpoint")
SIGNING_KINDS = ("RSA", "EC")
PUBLIC_MEMBERS = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


@dataclass(frozen=True)
class SmartConfiguration:
    """The allow-listed part of `.well-known/smart-configuration`. Every URL here is on a registered origin."""

    authorization_endpoint: str
    token_endpoint: str
    issuer: str = ""
    jwks_uri: str = ""
    revocation_endpoint: str = ""
    introspection_endpoint: str = ""
    capabilities: frozenset[str] = frozenset()
    scopes_supported: frozenset[str] = frozenset()
    names_issuer: bool = False


@dataclass(frozen=True)
class KeySet:
    """Public keys of id_tokens."""

    keys: tuple[Key, ...]

    def with_kid(self, kid: str) -> tuple[Key, ...]:
        return tuple(key for key in self.keys if key.kid == kid)


_configurations: OneFlight[SmartConfiguration] = OneFlight()
_key_sets: OneFlight[KeySet] = OneFlight()
_last_good: OneFlight[KeySet] = OneFlight()
_looked_again: OneFlight[bool] = OneFlight()


def connection_partner(connection: EhrConnection) -> Partner:
    """The one party that this connection may talk to: the FHIR base's origin and those registered beside it."""
    return Partner(
        name=f"ehr {connection.slug}", base_url=origin(connection.fhir_base),
        also=tuple(connection.extra_origins.split()),
        read_s=float(connection.read_s), connect_s=float(connection.connect_s),
        rate_per_minute=connection.rate_per_minute, client_certificate=_certificate(connection),
    )  # fmt: skip


def _certificate(connection: EhrConnection) -> str:
    """The file behind the name in the row: keys and paths stand in the environment, never in a row."""
    name = connection.client_certificate
    if name and name not in settings.CLIENT_CERTIFICATES:
        raise CertificateMissing
    return str(settings.CLIENT_CERTIFICATES[name]) if name else ""


def forget() -> None:
    """Empty the caches of this process: after a connection was changed."""
    for kept in (_configurations, _key_sets, _last_good, _looked_again):
        kept.clear()


# -------------------------------------------------------------------------------------------------- configuration
def configuration(connection: EhrConnection) -> SmartConfiguration:
    """D1 to D7. Raises EhrUnreachable, BadDiscovery and its kinds; nothing unusable is ever cached."""
    pins = (
        connection.pk, connection.fhir_base, connection.extra_origins, connection.issuers, connection.jwks_uri,
        connection.jwks_source, *sorted(connection.pinned_endpoints.items()),
    )  # fmt: skip
    return _configurations.get(pins, lambda: _fetch_configuration(connection))


def _fetch_configuration(connection: EhrConnection) -> tuple[SmartConfiguration, float]:
    base = connection.fhir_base.rstrip("/")
    answer, document = _document(connection, f"{base}/.well-known/smart-configuration", missing=NoSmartConfiguration)
    found = read_configuration(document, connection)
    wanted = connection.jwks_source == OPENID or (connection.jwks_source == SMART and not found.jwks_uri)
    keyless = wanted and not connection.jwks_uri
    if keyless or not (found.issuer or connection.issuers):
        found = _with_openid(connection, found, keys=keyless)
    return found, _life_s(answer)


def read_configuration(document: Mapping[str, Any], connection: EhrConnection) -> SmartConfiguration:
    """The record, or a refusal. Names that are not listed here have no effect."""
    _require_s256(document)
    issuer = _text(document, "issuer")
    if issuer and connection.oidc_issuer and issuer not in connection.issuers:
        alerts.note(connection, alerts.ISSUER, timezone.now())
        raise IssuerChanged
    return SmartConfiguration(
        authorization_endpoint=_pinned(document, "authorization_endpoint", connection),
        token_endpoint=_pinned(document, "token_endpoint", connection),
        revocation_endpoint=_extra(document, "revocation_endpoint", connection),
        introspection_endpoint=_extra(document, "introspection_endpoint", connection),
        issuer=issuer, jwks_uri=_jwks_uri(document, connection),
        capabilities=_texts(document, "capabilities"), scopes_supported=_texts(document, "scopes_supported"),
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )  # fmt: skip


def _pinned(document: Mapping[str, Any], name: str, connection: EhrConnection) -> str:
    """D6: an address that moved away from its pinned value is reported and not used; the pinned one is."""
    url, pinned = _endpoint(document, name, connection), str(connection.pinned_endpoints.get(name, ""))
    if pinned and url != pinned and is_registered(connection, pinned):
        alerts.note(connection, alerts.ENDPOINT, timezone.now())
        return pinned
    return url


def _extra(document: Mapping[str, Any], name: str, connection: EhrConnection) -> str:
    """An address that a launch can do without: one that is not registered is as if it were not named."""
    try:
        return _endpoint(document, name, connection, required=False)
    except EndpointElsewhere:
        logger.warning("connection %s: %s is not on a registered origin and is not used", connection.public_id, name)
        return ""


def _jwks_uri(document: Mapping[str, Any], connection: EhrConnection) -> str:
    """The pinned one wins; where the row names another source, this document is not asked."""
    if connection.jwks_source != SMART:
        return connection.jwks_uri
    jwks_uri = _endpoint(document, "jwks_uri", connection, required=False)
    if jwks_uri and connection.jwks_uri and jwks_uri != connection.jwks_uri:
        alerts.note(connection, alerts.KEYS, timezone.now())
    return connection.jwks_uri or jwks_uri


def _with_openid(connection: EhrConnection, found: SmartConfiguration, *, keys: bool) -> SmartConfiguration:
    """I2: older EHRs name their keys, or their issuer, in the OpenID document only, below the issuer or else below the
    FHIR base. Where the SMART configuration itself is missing, D3 comes first: this document does not take its place."""
    issuers = connection.issuers if connection.oidc_issuer else (*filter(None, [found.issuer]), *connection.issuers)
    document = _openid_document(connection, issuers[0] if issuers else connection.fhir_base)
    issuer = _text(document, "issuer")
    if not issuer or (issuers and issuer not in issuers):
        alerts.note(connection, alerts.ISSUER, timezone.now())
        raise IssuerChanged
    jwks_uri = _endpoint(document, "jwks_uri", connection) if keys else found.jwks_uri
    return replace(found, issuer=found.issuer or issuer, jwks_uri=jwks_uri)


def _openid_document(connection: EhrConnection, issuer: str) -> dict[str, Any]:
    """An issuer on an origin that is not registered is not asked."""
    base = connection.fhir_base.rstrip("/")
    below = [each for each in dict.fromkeys((issuer.rstrip("/"), base)) if is_registered(connection, each)] or [base]
    for place in below[:-1]:
        try:
            return _document(connection, f"{place}/.well-known/openid-configuration")[1]
        except BadDiscovery:
            continue  # it is no address of a document: the FHIR base may be
    return _document(connection, f"{below[-1]}/.well-known/openid-configuration")[1]


def _require_s256(document: Mapping[str, Any]) -> None:
    """D4: named without S256 is a downgrade; not named at all is an old server, which still gets S256."""
    if "code_challenge_methods_supported" in document and "S256" not in _texts(
        document, "code_challenge_methods_supported"
    ):
        raise PkceDowngrade


def _endpoint(document: Mapping[str, Any], name: str, connection: EhrConnection, *, required: bool = True) -> str:
    """D2: resolved against the FHIR base, then https on a registered origin."""
    text = _text(document, name)
    if not text:
        if required:
            raise BadDiscovery
        return ""
    url = urljoin(connection.fhir_base.rstrip("/") + "/", text)
    if not is_registered(connection, url):
        raise EndpointElsewhere
    return url


def is_registered(connection: EhrConnection, url: str) -> bool:
    """An absolute https address on an origin of this row, without a fragment or characters that do not belong there."""
    partner = connection_partner(connection)
    known = {origin(each) for each in (partner.base_url, *partner.also)} - {""}
    sound = re.fullmatch(r"[\x21-\x7e]{1,2048}", url) and not urlsplit(url).fragment
    safe = urlsplit(url).scheme == "https" or settings.ALLOW_LOOPBACK_PARTNERS
    return bool(sound and safe and origin(url) in known)


def _document(
    connection: EhrConnection, url: str, *, missing: type[BadDiscovery] = BadDiscovery
) -> tuple[Answer, dict[str, Any]]:
    """D1, D3: one JSON object of a sane size from the EHR itself."""
    answer = _ask(connection, url)
    if answer.status == 429 or answer.status >= 500:
        raise EhrUnreachable
    if answer.status in (404, 410):
        raise missing
    if not answer.ok or len(answer.body) > MAX_DOCUMENT:
        raise BadDiscovery
    try:
        return answer, one_object(answer.body)
    except ValueError as problem:
        raise BadDiscovery from problem


def _ask(connection: EhrConnection, url: str) -> Answer:
    try:
        return ask(connection_partner(connection), "GET", url, headers={"Accept": "application/json"})
    except BadAnswer as problem:
        raise BadDiscovery from problem
    except WireError as problem:
        raise EhrUnreachable from problem


def _life_s(answer: Answer) -> float:
    """D6: as long as the EHR says, between five minutes and a day."""
    said = re.search(r'max-age="?(\d{1,9})', answer.headers.get("cache-control", ""), re.IGNORECASE)
    return min(max(float(said[1]) if said else 3600.0, SHORTEST_S), LONGEST_S)


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadDiscovery
    return value


def _texts(document: Mapping[str, Any], name: str) -> frozenset[str]:
    value = document.get(name)
    return frozenset(text for text in value if isinstance(text, str)) if isinstance(value, list) else frozenset()


# ------------------------------------------------------------------------------------------------------------- keys
def keys_for(connection: EhrConnection, found: SmartConfiguration, *, kid: str) -> tuple[Key, ...]:
    """I2: the keys that may have signed. An unknown `kid` makes us look again, once in five minutes for each EHR."""
    key_set = _key_set(connection, found)
    if kid and not key_set.with_kid(kid) and _may_look_again(found.jwks_uri):
        _key_sets.drop(found.jwks_uri)
        key_set = _key_set(connection, found)
    return key_set.with_kid(kid) if kid else key_set.keys


def _may_look_again(jwks_uri: str) -> bool:
    """True for one caller in five minutes."""
    asked: list[str] = []

    def look() -> tuple[bool, float]:
        asked.append(jwks_uri)
        return True, REFETCH_S

    _looked_again.get(jwks_uri, look)
    return bool(asked)


def _key_set(connection: EhrConnection, found: SmartConfiguration) -> KeySet:
    """Fails closed, but keeps using the last good keys for a day while the EHR's key address is down."""
    if not found.jwks_uri:
        raise BadDiscovery
    try:
        key_set = _key_sets.get(found.jwks_uri, lambda: _fetch_keys(connection, found.jwks_uri))
    except (BadDiscovery, EhrUnreachable):
        kept = _last_good.peek(found.jwks_uri)
        if kept is None:
            raise
        return kept
    return key_set


def _fetch_keys(connection: EhrConnection, url: str) -> tuple[KeySet, float]:
    answer, document = _document(connection, url)
    key_set = read_keys(document)
    if len(answer.body) > MAX_KEY_SET or not key_set.keys:
        raise BadDiscovery
    _last_good.drop(url)
    _last_good.get(url, lambda: (key_set, LONGEST_S))
    return key_set, _life_s(answer)


def read_keys(document: Mapping[str, Any]) -> KeySet:
    """Public signing keys of a key set: no secrets, no encryption keys, nothing unknown, at most twenty."""
    listed = document.get("keys")
    members = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if len(members) > MAX_KEYS:
        raise BadDiscovery
    wanted = [each for each in members if each.get("kty") in SIGNING_KINDS and each.get("use") in (None, "sig")]
    return KeySet(tuple(key for key in map(_import, wanted) if key is not None))


def _import(members: dict[str, Any]) -> Key | None:
    try:
        return import_key({name: members[name] for name in PUBLIC_MEMBERS if members.get(name) is not None})
    except (JoseError, ValueError, TypeError, KeyError):  # KeyError: a curve that joserfc does not know
        return None
