"""The id_token: who signed in, for whom, for five minutes. RS256, because every client must understand that one.

The knobs of `knobs.ID_TOKEN` make it wrong in one way or in several.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any, Final

from joserfc.jws import JWSRegistry

from ehrcommerce.sandbox.ehr.models import AuthorizationCode, SigningKey
from ehrcommerce.sandbox.ehr.signing_keys import signing_key
from ehrcommerce.sandbox.ehr.surroundings import here
from ehrcommerce.sandbox.journal.strangers import stranger_origin

LIFE_S: Final = 300


def put_into(answer: dict[str, Any], code: AuthorizationCode) -> None:
    """Write the id_token of a code into a token answer, in the form that the knob `id_token_form` has."""
    match here().knobs["id_token_form"]:
        case "absent":
            return
        case "null":
            answer["id_token"] = None
        case "number":
            answer["id_token"] = 42
        case "garbage":
            answer["id_token"] = "not.a.token"
        case "jwe":
            answer["id_token"] = ".".join(secrets.token_urlsafe(24) for _ in range(5))
        case _:
            answer["id_token"] = id_token(code)


def id_token(code: AuthorizationCode) -> str:
    """The signed token for the user of a code."""
    header = _header()
    signed = f"{_part(header)}.{_part(_claims(code))}"
    return f"{signed}.{_signature(str(header.get('alg')), signed.encode())}"


def _claims(code: AuthorizationCode) -> dict[str, Any]:
    around, knobs, now = here(), here().knobs, int(time.time())
    claims: dict[str, Any] = {
        "iss": around.issuer,
        "sub": code.user.subject,
        "aud": code.client.client_id,
        "iat": now,
        "exp": now + LIFE_S,
        **_nonce(code),
        **_user_claims(code),
        **{name: now + seconds for name, seconds in knobs["id_token_times"].items()},
    }
    wishes = {name: _own(value, code) for name, value in around.filled(knobs["id_token"]).items()}
    kept = {name: value for name, value in {**claims, **wishes}.items() if value is not None}
    texts = {name: str(kept[name]) for name in knobs["id_token_strings"] if name in kept}
    return {**kept, **texts, **dict.fromkeys(knobs["id_token_null"])}


def _own(value: Any, code: AuthorizationCode) -> Any:
    """{client_id} is known here only."""
    if isinstance(value, list):
        return [_own(item, code) for item in value]
    return value.replace("{client_id}", code.client.client_id) if isinstance(value, str) else value


def _nonce(code: AuthorizationCode) -> dict[str, str]:
    wish = here().knobs["nonce"]
    if wish == "drop" or not code.nonce:
        return {}
    return {"nonce": code.nonce if wish == "echo" else f"{code.nonce}x"}


def _user_claims(code: AuthorizationCode) -> dict[str, str]:
    user = _fhir_user(code)
    if "fhirUser" not in code.scope.split() or not user:
        return {}
    match here().knobs["profile_claim"]:
        case "instead":
            return {"profile": user}
        case "beside":
            return {"profile": user, "fhirUser": user}
    return {"fhirUser": user}


def _fhir_user(code: AuthorizationCode) -> str:
    base, fhir_id = here().fhir_base, code.user.fhir_user.rpartition("/")[2]
    patient = code.launch.patient if code.launch else ""
    forms = {
        "relative": code.user.fhir_user,
        "absent": "",
        "foreign": f"{stranger_origin()}/fhir/{code.user.fhir_user}",
        "of_other_base": f"{here().root}/other/fhir/{code.user.fhir_user}",
        "device": f"{base}/Device/{fhir_id}",
        "patient": f"{base}/Patient/{patient}",
        "related_person": f"{base}/RelatedPerson/{fhir_id}",
        "practitioner_role": f"{base}/PractitionerRole/{fhir_id}",
        "path": f"{base}/Practitioner/../Patient/{patient}",
    }
    return forms.get(str(here().knobs["fhir_user"]), f"{base}/{code.user.fhir_user}")


def _header() -> dict[str, Any]:
    knobs = here().knobs
    header: dict[str, Any] = {"alg": knobs["id_token_alg"], "typ": "JWT"}
    if knobs["kid"] != "absent":
        header["kid"] = signing_key().kid if knobs["kid"] == "present" else secrets.token_hex(8)
    if size := int(knobs["id_token_x5c_bytes"]):
        header["x5c"] = [base64.b64encode(b"\x30" * size).decode()]
    changed = {**header, **here().filled(knobs["id_token_header"])}
    return {name: value for name, value in changed.items() if value is not None}


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(algorithm: str, signed: bytes) -> str:
    wish = here().knobs["id_token_signature"]
    if algorithm == "none" or wish == "empty":
        return ""
    right = _signed(algorithm, signed)
    return _text(right if wish == "right" else right[:-1] + bytes([right[-1] ^ 1]))


def _signed(algorithm: str, signed: bytes) -> bytes:
    if algorithm == "HS256":
        return hmac.new(_shared_secret(), signed, hashlib.sha256).digest()
    return bytes(JWSRegistry.algorithms[algorithm].sign(signed, signing_key()))


def _shared_secret() -> bytes:
    """For HS256 the attacker takes what everybody can read: the public key."""
    if told := here().knobs["id_token_hs_secret"]:
        return str(told).encode()
    return SigningKey.of("RSA", int(here().knobs["key_generation"])).as_pem(private=False)
