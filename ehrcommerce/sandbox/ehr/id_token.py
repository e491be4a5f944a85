"""The id_token: who signed in, for whom, for five minutes. RS256, because every client must understand that one."""

import time
from typing import Any

from django.conf import settings
from joserfc import jwt

from ehrcommerce.sandbox.ehr.models import AuthorizationCode, Knobs, SigningKey

LIFE_S = 300


def id_token(code: AuthorizationCode) -> str:
    """The signed token for the user of a code. The knob `id_token` replaces claims; null takes one away."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": settings.FHIR_BASE,
        "sub": code.user.subject,
        "aud": code.client.client_id,
        "iat": now,
        "exp": now + LIFE_S,
    }
    if code.nonce:
        claims["nonce"] = code.nonce
    if "fhirUser" in code.scope.split():
        claims["fhirUser"] = f"{settings.FHIR_BASE}/{code.user.fhir_user}"
    changed = {**claims, **Knobs.current()["id_token"]}
    key = SigningKey.current()
    header = {"alg": "RS256", "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, {name: value for name, value in changed.items() if value is not None}, key)


def public_keys() -> dict[str, Any]:
    """The key set that clients fetch."""
    return {"keys": [SigningKey.current().as_dict(private=False)]}
