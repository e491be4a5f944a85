"""How clients sign in: private_key_jwt as SMART wants it (five minutes, each assertion once, keys from the client's
URL), and HTTP Basic.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

import base64
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

import requests
from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from django.db import IntegrityError, transaction
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from ehrcommerce.sandbox.ehr.models import AssertionId, Client
from ehrcommerce.sandbox.ehr.surroundings import here

LEEWAY_S: Final = 5
KEYS_LIFE_S: Final = 60
FETCH_TIMEOUT_S: Final = 5

_keys: dict[str, tuple[float, dict[str, Any]]] = {}
_lock = threading.Lock()


class SmartClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib comes without types
    """Authlib's check of a client assertion, with SMART's algorithms, life, `typ` and `kid`."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self) -> None:
        super().__init__(leeway=LEEWAY_S)

    def __call__(self, query_client: Callable[[str], Client | None], request: Any) -> Client | None:
        """The client that signed, None when there is no assertion."""
        if request.form.get("client_assertion_type") != self.CLIENT_ASSERTION_TYPE:
            return None
        header, claims = self.extract_assertion(request.form.get("client_assertion", ""))
        client = query_client(str(claims.get("sub")))
        if client is None:
            raise InvalidClientError(description="The client does not exist on this server.")
        self._check_header(header)
        request.client = client
        self.process_assertion_claims(request.form["client_assertion"], key_of(client, header["kid"]))
        return self._with_method(client)

    def _with_method(self, client: Client) -> Client:
        if not client.check_endpoint_auth_method(self.CLIENT_AUTH_METHOD, "token"):
            raise InvalidClientError(description="The client is not registered for private_key_jwt.")
        return client

    def _check_header(self, header: dict[str, Any]) -> None:
        knobs = here().knobs
        if header.get("alg") not in knobs["assertion_algs"]:
            raise InvalidClientError(
                description=f"The assertion is signed with {' or '.join(knobs['assertion_algs'])}."
            )
        typ = knobs["assertion_typ"]
        if typ not in ("any", header.get("typ")) or not isinstance(header.get("kid"), str):
            raise InvalidClientError(description=f"The assertion's header has typ {typ} and a kid.")

    def process_assertion_claims(self, assertion: str, resolve_key: Key) -> dict[str, Any]:
        """Signature, then claims."""
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=here().knobs["assertion_algs"])
        except (JoseError, ValueError) as fault:
            raise InvalidClientError(description="The assertion's signature is not valid.") from fault
        self.verify_claims(token.claims)
        return dict(token.claims)

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Life first, so that a refused assertion does not use up its jti."""
        now, life_s = time.time(), float(here().knobs["assertion_life_s"])
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or expires > now + life_s + LEEWAY_S:
            raise InvalidClientError(description=f"The assertion's exp is at most {life_s:g} seconds ahead.")
        if isinstance(issued := claims.get("iat"), int | float) and issued > now + LEEWAY_S:
            raise InvalidClientError(description="The assertion's iat is in the future.")
        super().verify_claims(claims)

    def get_audiences(self) -> list[str]:
        """The token URL."""
        return [str(here().filled(here().knobs["assertion_aud"])) or here().token_url]

    def validate_jti(self, claims: dict[str, Any], jti: object) -> bool:
        """True once."""
        if not isinstance(jti, str) or not 0 < len(jti) <= min(200, int(here().knobs["assertion_jti_max"])):
            return False
        client = Client.objects.get(client_id=claims["sub"])
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        try:
            with transaction.atomic():
                AssertionId.objects.create(client=client, jti=jti, expires_at=expires_at)
        except IntegrityError:
            return False
        return True


def basic(query_client: Callable[[str], Client | None], request: Any) -> Client | None:
    """HTTP Basic, with id and secret raw or url-encoded first as the knob `basic_encoding` has it."""
    if (pair := basic_pair(request.headers.get("Authorization", ""))) is None:
        return None
    readings = {"raw": [pair], "urlencoded": [decoded(pair)], "either": [pair, decoded(pair)]}
    for client_id, secret in readings[here().knobs["basic_encoding"]]:
        client = query_client(client_id)
        if client is not None and client.check_client_secret(secret):
            return client
    return None


def basic_pair(header: str) -> tuple[str, str] | None:
    """Id and secret as they stand in the header."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (client_id, secret) if colon else None


def decoded(pair: tuple[str, str]) -> tuple[str, str]:
    """Id and secret of a client that url-encodes them first (RFC 6749, 2.3.1)."""
    return unquote_plus(pair[0]), unquote_plus(pair[1])


def key_of(client: Client, kid: str) -> Key:
    """The client's public key of this name; an unknown name makes the server look once more."""
    for fresh in (False, True):
        keys = KeySet.import_key_set(_key_set(client, fresh=fresh))  # type: ignore[arg-type]  # checked by joserfc
        for key in keys.keys:
            if key.kid == kid:
                return key
    raise InvalidClientError(description="The client has no key of this kid.")


def _key_set(client: Client, *, fresh: bool) -> dict[str, Any]:
    if not client.jwks_uri:
        return client.jwks or {"keys": []}
    with _lock:
        fetched_at, keys = _keys.get(client.jwks_uri, (0.0, {}))
    if not fresh and time.monotonic() - fetched_at < KEYS_LIFE_S and keys:
        return keys
    keys = _fetched(client.jwks_uri)
    with _lock:
        _keys[client.jwks_uri] = (time.monotonic(), keys)
    return keys


def _fetched(url: str) -> dict[str, Any]:
    try:
        answer = requests.get(url, timeout=FETCH_TIMEOUT_S, allow_redirects=False)
        answer.raise_for_status()
        keys = answer.json()
    except (requests.RequestException, ValueError) as fault:
        raise InvalidClientError(description="The client's keys could not be fetched.") from fault
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise InvalidClientError(description="The client's key set is not a key set.")
    return keys
