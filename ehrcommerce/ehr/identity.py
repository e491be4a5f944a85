"""Who signed in: OpenID Connect Core 1.0, section 3.1.3.7, checked by ourselves with joserfc, because the libraries'
defaults accept an unsigned token when the EHR's own document says so, or another client's audience."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from ehrcommerce.ehr.errors import AlgorithmRefused, BadIdentity, ClockApart, NotAClinician
from ehrcommerce.ehr.tokens import FHIR_ID
from ehrcommerce.wire.strict import StrictDecoder, one_object

# Whatever a document or a row says, nothing outside this list is ever accepted: no `none`, no shared secrets.
# A key signs only by what its own kind, curve and `alg` allow, so each further name here opens nothing but itself.
EVERY_ALGORITHM = "RS256 RS384 RS512 PS256 PS384 ES256 ES384"
POSSIBLE_ALGORITHMS = frozenset(EVERY_ALGORITHM.split())
KIND_OF = {"R": "RSA", "P": "RSA", "E": "EC"}
CURVE_OF = {"ES256": "P-256", "ES384": "P-384"}
SKEW_S = 60
REQUIRED, PROFILE_CLAIM, NOT_NEEDED = "required", "profile_claim", "not_needed"
CLINICIAN_TYPES = ("Practitioner", "PractitionerRole")
_CLINICIAN_SEGMENTS = frozenset({"practitioner", "practitionerrole"})
_PATIENT_TYPES = frozenset({"patient", "relatedperson", "person", "device"})


@dataclass(frozen=True)
class Identity:
    """The user of an EHR: known by (issuer, subject) and by nothing else. `fhir_user` is relative or ""; `patient` is
    what some EHRs repeat of the launch context, "" where they do not. `said_clinician`: False where the EHR named no
    user at all, and the row does not need one."""

    issuer: str
    subject: str
    fhir_user: str = ""
    patient: str = field(default="", repr=False)
    said_clinician: bool = True


@dataclass(frozen=True)
class Expected:
    """What this launch must find in its id_token. `issuers`: the pinned one and those that the row lists beside it."""

    issuers: tuple[str, ...]
    client_id: str
    nonce: str
    nonce_policy: str
    algorithms: frozenset[str]
    fhir_base: str
    fhir_user_policy: str = REQUIRED
    access_token: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


class _Registry(JWSRegistry):
    """Some EHRs put certificates into the header; joserfc's own limit of 512 bytes is for those who do not."""

    max_header_length = 8192


def allowed(listed: str) -> frozenset[str]:
    """A row's `id_token_algs` ("RS256 ES384"), held against what is possible at all."""
    return frozenset(re.split(r"[\s,]+", listed.strip())) & POSSIBLE_ALGORITHMS


def read_id_token(
    token: str, *, expected: Expected, keys_for: Callable[[str], Sequence[Key]], now_s: float
) -> Identity:
    """I1 to I6. `keys_for(kid)` returns the candidates, "" for a token that names none. Raises BadIdentity."""
    header = header_of(token)
    alg, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(alg, str) or not isinstance(kid, str) or alg not in POSSIBLE_ALGORITHMS:
        raise BadIdentity
    if alg not in expected.algorithms:
        raise AlgorithmRefused
    if "crit" in header:
        raise BadIdentity  # RFC 7515, section 4.1.11: nothing that must be understood is understood here
    claims = verified(token, alg, keys_for(kid))
    _check_hash(claims, "at_hash", alg, expected.access_token)
    _check_hash(claims, "c_hash", alg, expected.code)
    _check_parties(claims, expected)
    _check_times(claims, now_s)
    _check_nonce(claims, expected)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise BadIdentity
    said = _said_user(claims, expected.fhir_user_policy)
    absent = said is None and expected.fhir_user_policy == NOT_NEEDED
    fhir_user = "" if absent else _fhir_user(said, expected.fhir_base)
    return Identity(
        issuer=str(claims["iss"]), subject=subject, fhir_user=fhir_user, patient=_patient(claims.get("patient")),
        said_clinician=not absent,
    )  # fmt: skip


def _said_user(claims: dict[str, Any], policy: str) -> Any:
    """`fhirUser`; where the row says so, the older `profile` in its place."""
    said = claims.get("fhirUser")
    return claims.get("profile") if said is None and policy == PROFILE_CLAIM else said


def _patient(value: Any) -> str:
    """The id, from either way of writing it."""
    return value.removeprefix("Patient/") if isinstance(value, str) else ""


def header_of(token: str) -> dict[str, Any]:
    """Three parts and no more: an encrypted token has five. `jku`, `x5u`, `jwk` in it are never looked at."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts) or len(parts[0]) > 12_000:
        raise BadIdentity
    try:
        return one_object(urlsafe_b64decode(parts[0].encode()))
    except ValueError as problem:
        raise BadIdentity from problem


def fits(key: Key, alg: str) -> bool:
    """Whether this key may have signed so: by its kind, its curve, and its own `alg` where it names one."""
    curve = key.get("crv") if key.key_type == "EC" else None
    return key.key_type == KIND_OF[alg[0]] and curve == CURVE_OF.get(alg) and key.get("alg") in (None, alg)


def verified(token: str, alg: str, candidates: Sequence[Key]) -> dict[str, Any]:
    """The claims, if one of the candidates signed them."""
    registry = _Registry(algorithms=[alg], strict_check_header=False)
    for key in [each for each in candidates if fits(each, alg)]:
        try:
            return jwt.decode(token, key, registry=registry, decoder_cls=StrictDecoder).claims
        except (JoseError, ValueError):
            continue
    raise BadIdentity


def _check_parties(claims: dict[str, Any], expected: Expected) -> None:
    """`iss` exactly a pinned one; `aud` names us, and others only where `azp` is us too."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise BadIdentity
    others = [each for each in audiences if each != expected.client_id]
    party = claims.get("azp", None if others else expected.client_id)
    if claims.get("iss") not in expected.issuers:
        raise BadIdentity
    if expected.client_id not in audiences or party != expected.client_id:
        raise BadIdentity


def _check_hash(claims: dict[str, Any], name: str, alg: str, whole: str) -> None:
    """OpenID Connect Core, sections 3.1.3.6 and 3.3.2.11: `at_hash` and `c_hash`, where they are there, fit the access
    token that came along and the code that was exchanged for it."""
    if name not in claims or not whole:
        return
    digest = hashlib.new(f"sha{alg[-3:]}", whole.encode()).digest()
    if claims[name] != urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode():
        raise BadIdentity


def _check_times(claims: dict[str, Any], now_s: float) -> None:
    """I3: one minute of skew, never more by itself; both times must be numbers."""
    expires, issued, begins = claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (expires, issued, begins)):
        raise BadIdentity
    if expires + SKEW_S <= now_s or issued - SKEW_S > now_s or begins - SKEW_S > now_s:  # type: ignore[operator]
        raise ClockApart


def _check_nonce(claims: dict[str, Any], expected: Expected) -> None:
    """Required unless the row says that this EHR does not echo it; a wrong one is never accepted."""
    nonce = claims.get("nonce")
    if expected.nonce_policy == "off" or (nonce is None and expected.nonce_policy == "if_returned"):
        return
    if nonce != expected.nonce or not expected.nonce:
        raise BadIdentity


def _fhir_user(value: Any, fhir_base: str) -> str:
    """I5: `Practitioner/x` below our own base; a clinician's foreign address is dropped, never fetched. Whoever is not
    said to be a clinician is refused, however and wherever the claim is written: a patient's sign-in must not pass."""
    if not isinstance(value, str):
        raise NotAClinician
    relative = value.removeprefix(fhir_base.rstrip("/") + "/")
    segments = {segment.casefold() for segment in re.split(r"[/?#]", relative)}
    if segments & _PATIENT_TYPES or not segments & _CLINICIAN_SEGMENTS:
        raise NotAClinician
    kind, _, name = relative.partition("/")
    return relative if kind in CLINICIAN_TYPES and FHIR_ID.fullmatch(name) and name.strip(".") else ""
