"""The part of the conformance checks that is about how a client signs in: Basic, and the signed assertion."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any, Final

from authlib.oauth2.rfc6749 import InvalidClientError
from django.http import HttpRequest
from joserfc import jws
from joserfc.errors import JoseError

from ehrcommerce.sandbox.ehr import client_auth
from ehrcommerce.sandbox.ehr.models import AssertionId, Client
from ehrcommerce.sandbox.ehr.surroundings import here

Found = tuple[str, bool, str]
TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
STATE_LENGTH: Final = 21
"""Characters of base64url that hold 122 bits."""


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("utf-8", "replace")).digest()).rstrip(b"=").decode()


def signing_in(request: HttpRequest) -> tuple[Client | None, list[Found]]:
    """The client that a request names, and how it signed in."""
    if "client_assertion" in request.POST:
        return _asserted(request)
    if pair := client_auth.basic_pair(request.headers.get("Authorization", "")):
        return _basic(pair)
    return _client(request.POST.get("client_id", "")), []


def _client(client_id: object) -> Client | None:
    return Client.objects.filter(client_id=client_id).first() if isinstance(client_id, str) else None


def _basic(pair: tuple[str, str]) -> tuple[Client | None, list[Found]]:
    wanted = client_auth.decoded(pair) if here().knobs["basic_encoding"] == "urlencoded" else pair
    client = _client(wanted[0])
    held = client is not None and client.check_client_secret(wanted[1])
    manner = "url-encoded" if wanted is not pair else "raw"
    return client or _client(client_auth.decoded(pair)[0]), [("basic", held, f"base64 of id:secret, {manner}")]


def _asserted(request: HttpRequest) -> tuple[Client | None, list[Found]]:
    assertion = request.POST["client_assertion"]
    header, claims = _parts(assertion)
    client = _client(claims.get("sub"))
    found = [
        ("assertion.type", request.POST.get("client_assertion_type") == TYPE, ""),
        *_header_checks(header),
        *_claim_checks(claims, client),
        ("assertion.signature", _is_signed(assertion, header, client), ""),
    ]
    return client, found


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header, claims = (json.loads(_bytes(part)) for part in assertion.split(".")[:2])
    except ValueError:
        return {}, {}
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else ({}, {})


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _header_checks(header: dict[str, Any]) -> Iterator[Found]:
    yield "assertion.typ", header.get("typ") == "JWT", ""
    yield "assertion.alg", header.get("alg") in here().knobs["assertion_algs"], str(header.get("alg"))[:20]
    yield "assertion.kid", isinstance(header.get("kid"), str) and bool(header["kid"]), ""


def _claim_checks(claims: dict[str, Any], client: Client | None) -> Iterator[Found]:
    now, expires, jti = time.time(), claims.get("exp"), claims.get("jti")
    own_id = client.client_id if client else None
    yield "assertion.iss", client is not None and claims.get("iss") == own_id, ""
    yield "assertion.sub", client is not None, ""
    wanted = str(here().filled(here().knobs["assertion_aud"])) or here().token_url
    yield "assertion.aud", claims.get("aud") in (wanted, [wanted]), str(claims.get("aud"))[:200]
    yield "assertion.exp", isinstance(expires, int) and expires > now, ""
    yield "assertion.life", isinstance(expires, int) and expires <= now + 300, "at most 300 seconds ahead"
    unused = not AssertionId.objects.filter(client=client, jti=str(jti)[:200]).exists()
    yield "assertion.jti", isinstance(jti, str) and bool(jti) and unused, "a text that was not used before"


def _is_signed(assertion: str, header: dict[str, Any], client: Client | None) -> bool:
    algorithm, kid = header.get("alg"), header.get("kid")
    if client is None or not isinstance(kid, str) or algorithm not in here().knobs["assertion_algs"]:
        return False
    try:
        jws.deserialize_compact(assertion, client_auth.key_of(client, kid), algorithms=[str(algorithm)])
    except (JoseError, InvalidClientError, ValueError):
        return False
    return True
