"""private_key_jwt as SMART wants it: ES384 or RS384, five minutes, each assertion once, keys from the client's URL.

https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import requests
from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from django.conf import settings
from django.db import IntegrityError, transaction
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from ehrcommerce.sandbox.ehr.models import AssertionId, Client

ALGORITHMS: Final = ["ES384", "RS384"]
MAX_LIFE_S: Final = 300
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
        if header.get("alg") not in ALGORITHMS:
            raise InvalidClientError(description="The assertion is signed with ES384 or RS384.")
        if header.get("typ") != "JWT" or not isinstance(header.get("kid"), str):
            raise InvalidClientError(description="The assertion's header has typ JWT and a kid.")

    def process_assertion_claims(self, assertion: str, resolve_key: Key) -> dict[str, Any]:
        """Signature, then claims."""
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as fault:
            raise InvalidClientError(description="The assertion's signature is not valid.") from fault
        self.verify_claims(token.claims)
        return dict(token.claims)

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Life first, so that a refused assertion does not use up its jti."""
        now = time.time()
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or expires > now + MAX_LIFE_S + LEEWAY_S:
            raise InvalidClientError(description="The assertion's exp is at most five minutes ahead.")
        if isinstance(issued := claims.get("iat"), int | float) and issued > now + LEEWAY_S:
            raise InvalidClientError(description="The assertion's iat is in the future.")
        super().verify_claims(claims)

    def get_audiences(self) -> list[str]:
        """The token URL."""
        return [f"{settings.BASE_URL}/auth/token"]

    def validate_jti(self, claims: dict[str, Any], jti: object) -> bool:
        """True once."""
        if not isinstance(jti, str) or not 0 < len(jti) <= 200:
            return False
        client = Client.objects.get(client_id=claims["sub"])
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        try:
            with transaction.atomic():
                AssertionId.objects.create(client=client, jti=jti, expires_at=expires_at)
        except IntegrityError:
            return False
        return True


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
