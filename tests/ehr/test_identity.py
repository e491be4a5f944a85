"""Whom an id_token may name. [SMART-I1 to I6, hostile inputs 46 to 57]"""

import base64
import hmac
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import Key

from ehrcommerce.ehr import identity
from ehrcommerce.ehr.errors import BadIdentity, ClockApart, LaunchRefused, NotAClinician
from tests.ehr.fake_ehr import EC, OTHER, SIGNER

NOW = int(time.time())
ISSUER, BASE = "https://ehr.example.org/oauth2", "https://ehr.example.org/fhir/R4"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "us",
    "sub": "ada",
    "iat": NOW,
    "exp": NOW + 300,
    "nonce": "n",
    "fhirUser": f"{BASE}/Practitioner/ada",
}


def expected(**changes: Any) -> identity.Expected:
    fields: dict[str, Any] = {
        "issuers": (ISSUER,), "client_id": "us", "nonce": "n", "nonce_policy": "required",
        "algorithms": frozenset({"RS256"}), "fhir_base": BASE,
    }  # fmt: skip
    return identity.Expected(**{**fields, **changes})


def signed(header: dict[str, Any] | None = None, *, key: Any = SIGNER, **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value != "absent"}
    return jwt.encode(
        {"alg": "RS256", "kid": "one", **(header or {})}, claims, key, algorithms=["RS256", "RS384", "ES384", "HS256"]
    )


def in_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    return ".".join([in_base64(json.dumps(header).encode()), in_base64(json.dumps(claims).encode()), signature])


def by_hand(header: str, claims: str) -> str:
    """Signed with the right key, for texts that a library would not write."""
    text = f"{in_base64(header.encode())}.{in_base64(claims.encode())}"
    key = load_pem_private_key(SIGNER.as_pem(private=True), None)
    assert isinstance(key, RSAPrivateKey)
    return f"{text}.{in_base64(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def read(token: str, keys: Sequence[Key] = (SIGNER, OTHER), **changes: Any) -> identity.Identity:
    def keys_for(kid: str) -> list[Key]:
        return [key for key in keys if not kid or key.kid == kid]

    return identity.read_id_token(token, expected=expected(**changes), keys_for=keys_for, now_s=NOW)


@pytest.mark.smart("I1", "I5")
def test_a_sound_token_names_issuer_subject_and_practitioner() -> None:
    assert read(signed()) == identity.Identity(ISSUER, "ada", "Practitioner/ada")


@pytest.mark.smart("H52")
def test_a_token_without_kid_is_tried_with_each_key() -> None:
    assert read(jwt.encode({"alg": "RS256"}, CLAIMS, OTHER)).subject == "ada"


@pytest.mark.smart("I1")
def test_a_second_algorithm_only_where_the_row_lists_it() -> None:
    token = signed({"alg": "ES384", "kid": "ec"}, key=EC)
    assert read(token, [EC], algorithms=identity.allowed("RS256 ES384")).subject == "ada"
    with pytest.raises(BadIdentity):
        read(token, [EC])


@pytest.mark.smart("I1", "H20", "H47")
@pytest.mark.parametrize("listed", ["none", "HS256", "none RS1", "", "dir"])
def test_a_row_cannot_allow_what_is_never_safe(listed: str) -> None:
    assert identity.allowed(listed) == frozenset()


@pytest.mark.smart("I1", "H47", "AD7")
@pytest.mark.parametrize("alg", [*identity.EVERY_ALGORITHM.split(), "HS256", "HS384", "HS512", "none"])
def test_with_everything_allowed_a_key_still_fits_its_own_kind_and_curve_alone(alg: str) -> None:
    """An EC key never checks an RSA signature, nor one of another curve; neither is ever a shared secret."""
    everything = identity.allowed(identity.EVERY_ALGORITHM)
    assert alg in everything or alg.startswith("HS") or alg == "none"
    if alg not in identity.POSSIBLE_ALGORITHMS:
        with pytest.raises(BadIdentity):
            read(unsigned({"alg": alg, "kid": "ec"}, CLAIMS, "x"), [EC], algorithms=everything)
        return
    fitting = {kind for kind, key in (("RSA", SIGNER), ("P-384", EC)) if identity.fits(key, alg)}
    assert fitting == ({"RSA"} if alg[0] in "RP" else {"P-384"} if alg == "ES384" else set())


@pytest.mark.smart("I1", "H47")
def test_an_unsigned_token_is_refused_whatever_the_row_says() -> None:
    for alg in ("none", "None", "nOnE", ""):
        with pytest.raises(BadIdentity):
            read(unsigned({"alg": alg, "kid": "one"}, CLAIMS, "x"), algorithms=frozenset({"none", "RS256"}))
    with pytest.raises(BadIdentity):
        read(unsigned({"alg": "RS256", "kid": "one"}, CLAIMS))


@pytest.mark.smart("I1", "H47", "AD7")
def test_a_public_key_is_not_a_shared_secret() -> None:
    text = unsigned({"alg": "HS256", "kid": "one"}, CLAIMS).rstrip(".")
    forged = f"{text}.{in_base64(hmac.digest(SIGNER.as_pem(private=False), text.encode(), 'sha256'))}"
    for listed in (frozenset({"RS256"}), frozenset({"RS256", "HS256"})):
        with pytest.raises(BadIdentity):
            read(forged, algorithms=listed)


@pytest.mark.smart("I1", "H48", "H49", "H50", "H51")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"}, {"aud": "other", "azp": "us"}, {"aud": ["us", "other"]}, {"aud": ["us", "other"],
        "azp": "other"},
        {"aud": []}, {"aud": None}, {"aud": "absent"}, {"aud": [["us"]]}, {"azp": "other"},
        {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"iss": BASE}, {"iss": "absent"}, {"iss": None},
        {"sub": "absent"}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 300},
        {"nonce": "other"}, {"nonce": "absent"}, {"nonce": None}, {"nonce": ["n"]},
        {"exp": "absent"}, {"exp": str(NOW + 300)}, {"iat": "absent"}, {"iat": True}, {"nbf": "soon"},
    ],
)  # fmt: skip
def test_claims_that_are_not_exactly_ours_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadIdentity):
        read(signed(**changes))


@pytest.mark.smart("I1", "I3", "H51")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["us"]},
        {"aud": ["us", "other"], "azp": "us"},
        {"exp": NOW + 10**9},
        {"exp": NOW - 30},
        {"iat": NOW + 30},
    ],
)
def test_what_the_specification_allows_is_taken(changes: dict[str, Any]) -> None:
    assert read(signed(**changes)).subject == "ada"


@pytest.mark.smart("I3", "H51", "H57")
@pytest.mark.parametrize("changes", [{"exp": NOW - 61}, {"iat": NOW + 600, "exp": NOW + 900}, {"nbf": NOW + 600}])
def test_clocks_that_are_apart_are_named_as_the_cause(changes: dict[str, Any]) -> None:
    with pytest.raises(ClockApart):
        read(signed(**changes))


@pytest.mark.smart("I1", "H50")
def test_the_nonce_policy_of_the_row() -> None:
    assert read(signed(nonce="absent"), nonce_policy="if_returned").subject == "ada"
    assert read(signed(nonce="other"), nonce_policy="off").subject == "ada"
    with pytest.raises(BadIdentity):
        read(signed(nonce="other"), nonce_policy="if_returned")
    with pytest.raises(BadIdentity):
        read(signed(nonce=""), nonce="")


@pytest.mark.smart("I1", "H52")
def test_keys_that_do_not_fit_sign_nothing() -> None:
    with pytest.raises(BadIdentity):
        read(signed({"kid": "unknown"}))
    with pytest.raises(BadIdentity):
        read(signed(key=OTHER))
    with pytest.raises(BadIdentity):
        read(signed(), [])
    with pytest.raises(BadIdentity):
        read(signed(), [EC])


@pytest.mark.smart("H53", "AD3")
@pytest.mark.parametrize(
    "extra", [{"jku": "https://evil/keys"}, {"x5u": "https://evil/cert"}, {"jwk": OTHER.as_dict(private=False)}]
)
def test_a_key_that_the_token_brings_along_is_never_used(extra: dict[str, Any]) -> None:
    assert read(signed(extra)).subject == "ada"
    with pytest.raises(BadIdentity):
        read(signed(extra, key=OTHER))


@pytest.mark.smart("H53", "AD2")
def test_an_unknown_critical_header_is_refused() -> None:
    with pytest.raises(BadIdentity):
        read(
            by_hand(json.dumps({"alg": "RS256", "kid": "one", "crit": ["exp-plus"], "exp-plus": 1}), json.dumps(CLAIMS))
        )


@pytest.mark.smart("H53")
def test_a_header_with_certificates_is_read_up_to_a_limit() -> None:
    assert read(signed({"x5c": ["A" * 4000]})).subject == "ada"
    with pytest.raises(BadIdentity):
        read(signed({"x5t": "A" * 20_000}))


@pytest.mark.smart("H54")
@pytest.mark.parametrize(
    "garbage", ["", "a", "a.b", "a.b.c", "a.b.c.d.e", "..", "e30.e30.e30", "\x00.\x00.\x00", "é.é.é", "." * 50]
)
def test_garbage_is_refused_by_name(garbage: str) -> None:
    with pytest.raises(BadIdentity):
        read(garbage)


@pytest.mark.smart("H21")
def test_doubled_claims_are_refused() -> None:
    header = '{"alg":"RS256","kid":"one"}'
    assert read(by_hand(header, json.dumps(CLAIMS))).subject == "ada"
    with pytest.raises(BadIdentity):
        read(by_hand(header, json.dumps(CLAIMS).replace('"sub": "ada"', '"sub": "ada", "sub": "bo"')))


@pytest.mark.smart("I5", "H55")
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (f"{BASE}/Practitioner/ada", "Practitioner/ada"), ("Practitioner/ada", "Practitioner/ada"),
        ("PractitionerRole/r1", "PractitionerRole/r1"),
        ("https://evil.example/fhir/Practitioner/ada", ""),
        ("Practitioner/../x", ""),
        ("Practitioner/..", ""), (f"{BASE}x/Practitioner/ada", ""), ("//evil/Practitioner/1", ""),
    ],
)  # fmt: skip
def test_a_foreign_fhir_user_is_dropped(value: Any, kept: str) -> None:
    assert read(signed(fhirUser=value)).fhir_user == kept


@pytest.mark.smart("I5", "H55")
@pytest.mark.parametrize(
    "value",
    [
        "Patient/1", "RelatedPerson/1", f"{BASE}/Patient/1", "Device/1", "/Patient/1", "patient/1", "./Patient/1",
        "https://other.example/fhir/Patient/1", BASE.replace("https", "HTTPS").upper() + "/Patient/1",
        f"{BASE}//Patient/1", "//evil/Person/1", "https://other.example/Patient/1/Practitioner/2",
        "Patient/1?x=/Practitioner/2",
    ],
)  # fmt: skip
def test_a_patient_is_not_a_clinician(value: str) -> None:
    with pytest.raises(NotAClinician):
        read(signed(fhirUser=value))


@pytest.mark.smart("I5", "H55")
@pytest.mark.parametrize("value", ["absent", None, 7, "", "ada", "Group/1", ["Practitioner/ada"], f"{BASE}/"])
def test_whoever_is_not_said_to_be_a_clinician_is_none(value: Any) -> None:
    with pytest.raises(NotAClinician):
        read(signed(fhirUser=value))


def test_every_refusal_tells_cause_and_remedy() -> None:
    def family(kind: type[LaunchRefused]) -> list[type[LaunchRefused]]:
        return [kind, *(each for child in kind.__subclasses__() for each in family(child))]

    found = family(LaunchRefused)
    assert len({kind.code for kind in found}) == len(found)
    assert all(kind().sentence.endswith(".") and (kind().remedy or kind.code == "C-MIX") for kind in found)
