"""What an EHR's SMART configuration says, held against the connection's knobs: one sentence for each thing that fits, does
not fit, or cannot be told. Pure: the documents are fetched in checking.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from joserfc.jwk import Key

from ehrcommerce.ehr import client_app, discovery, presets
from ehrcommerce.ehr.findings import ERROR, WARNING, Finding, error, good, name, warning
from ehrcommerce.ehr.identity import CURVE_OF, EVERY_ALGORITHM, POSSIBLE_ALGORITHMS, allowed, fits
from ehrcommerce.ehr.models import EhrConnection
from ehrcommerce.wire.client import origin

Json = Mapping[str, Any]
STEP, KEYS = "SMART configuration", "Keys of sign-ins"
# Name in the document -> what it is to a person, and whether a launch needs it.
ENDPOINTS = {
    "authorization_endpoint": ("sign-in page", True),
    "token_endpoint": ("token address", True),
    "jwks_uri": ("key list", False),
    "revocation_endpoint": ("revocation address", False),
    "introspection_endpoint": ("introspection address", False),
}
CLIENT = {"private_key_jwt": "client-confidential-asymmetric", "none": "client-public"}
SYMMETRIC = "client-confidential-symmetric"
OUR_SIGNATURES = ("ES384", "RS384")


def texts(document: Json, key: str) -> list[str]:
    value = document.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def endpoint(document: Json, key: str, connection: EhrConnection) -> str:
    """The absolute address of an endpoint, or ""."""
    value = document.get(key)
    return urljoin(connection.fhir_base.rstrip("/") + "/", value) if isinstance(value, str) and value else ""


# ----------------------------------------------------------------------------------------------------------- endpoints
def endpoints(document: Json, connection: EhrConnection) -> Iterator[Finding]:
    """D2: each on an origin that stands in the row. One that does not is named, and nothing is sent there."""
    elsewhere: dict[str, list[str]] = {}
    needed_there: set[str] = set()
    for key, (words, needed) in ENDPOINTS.items():
        address = endpoint(document, key, connection)
        if not address and needed:
            yield error(
                STEP, "D-CONF", f"The EHR's SMART configuration names no {words} ({key}).",
                "Ask the EHR's administrator to switch on SMART App Launch for this FHIR base.",
            )  # fmt: skip
        elif address and not discovery.is_registered(connection, address):
            elsewhere.setdefault(origin(address), []).append(words)
            needed_there |= {origin(address)} if needed or key == "jwks_uri" else set()
        elif connection.pinned_endpoints.get(key, address) != address:
            yield _moved(words)
    for place, what in elsewhere.items():
        yield _elsewhere(place, what, needed=place in needed_there)
    if not elsewhere:
        yield good(STEP, "D-ADDR", "Every address that the EHR names is on an origin of this connection.")


def _moved(words: str) -> Finding:
    """D6: the recorded one stays in use."""
    return warning(
        STEP, "D-MOVED", f"The EHR names another {words} than at the first launch. The recorded one is used.",
        "Ask the EHR's administrator whether it moved. If so, press 'The new values are right' on the connection's page.",
    )  # fmt: skip


def _elsewhere(place: str, what: Sequence[str], *, needed: bool) -> Finding:
    listed = " and ".join(what)
    if not place or (place.startswith("http://") and not settings.ALLOW_LOOPBACK_PARTNERS):
        return error(
            STEP, "D-ADDR", f"The EHR's {listed} is not a usable https address. Nothing was sent there.",
            "Ask the EHR's administrator to correct it.",
        )  # fmt: skip
    return Finding(
        STEP, ERROR if needed else WARNING, "D-ADDR",
        f"The EHR's {listed} is on {place}, which is not registered for this connection. Nothing was sent there.",
        f"Ask the EHR's administrator whether {place} is theirs. If so, add it to the further origins.", origin=place,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- what is supported
def protections(document: Json, connection: EhrConnection) -> Iterator[Finding]:
    """PKCE, and how we prove who we are."""
    yield _pkce(document)
    methods = texts(document, "token_endpoint_auth_methods_supported")
    can = texts(document, "capabilities")
    way, wanted = connection.client_auth, CLIENT.get(connection.client_auth, SYMMETRIC)
    ways = sorted(one for one in can if one.startswith("client-"))
    algs = texts(document, "token_endpoint_auth_signing_alg_values_supported")
    takes = [alg for alg in OUR_SIGNATURES if not algs or alg in algs]
    if (methods and way not in methods and way != "none") or (not methods and ways and wanted not in ways):
        yield warning(
            STEP, "D-AUTH", f"The EHR does not list {way}, by which this connection proves who the app is.",
            f"It lists: {', '.join(map(name, methods or ways))}. Ask how the app is registered there and set 'How we"
            " prove who we are' to the same.",
        )  # fmt: skip
    elif (
        takes
        and _could_sign(connection)
        and (client_app.PRIVATE_KEY_JWT in methods or CLIENT["private_key_jwt"] in can)
    ):
        yield warning(
            STEP, "D-AUTH", f"The EHR takes signed statements, and this connection proves who the app is by {way}.",
            "Use them: nothing secret is kept or sent, and the app's own access needs them. Ask the EHR's administrator to"
            " enter the key set address below at the registration, then set 'How we prove who we are' to private_key_jwt.",
            knob="client_auth", value=client_app.PRIVATE_KEY_JWT,
        )  # fmt: skip
    if way == client_app.PRIVATE_KEY_JWT and algs and connection.assertion_alg not in algs:
        yield warning(
            STEP, "D-ALG", f"The EHR does not list {connection.assertion_alg}, with which the app signs its statements.",
            f"It lists {', '.join(map(name, algs))}. Set 'Signature' to ES384 or RS384, whichever is among them.",
            knob="assertion_alg" if takes else "", value="".join(takes[:1]),
        )  # fmt: skip


def _could_sign(connection: EhrConnection) -> bool:
    """T4: signed statements come before a secret, and before nothing at all where the vendor is not known for that."""
    way = connection.client_auth
    return way != client_app.PRIVATE_KEY_JWT and way != presets.preset(connection.vendor).value("client_auth")


def _pkce(document: Json) -> Finding:
    if "code_challenge_methods_supported" not in document:
        return warning(
            STEP, "D-PKCE", "The EHR does not say that it checks PKCE. The app sends it all the same (S256).",
            "Nothing to do; older EHRs leave it out. Ask the vendor for an update when there is one.",
        )  # fmt: skip
    if "S256" in texts(document, "code_challenge_methods_supported"):
        return good(STEP, "D-PKCE", "Sign-in codes are protected (PKCE S256).")
    return error(
        STEP, "D-PKCE", "The EHR names its protection of sign-in codes (PKCE) without S256. Launches are refused.",
        "Ask the EHR's administrator to switch on S256; `plain` protects nothing.",
    )  # fmt: skip


def abilities(document: Json, connection: EhrConnection) -> Iterator[Finding]:
    """Launches, scopes, the app's own access: only what the document speaks of can be judged."""
    can = texts(document, "capabilities")
    if can and "launch-ehr" not in can:
        yield warning(
            STEP, "D-LAUNCH", "The EHR does not list launches from the chart (launch-ehr).",
            "Ask its administrator whether the app can get a button in the chart.",
        )  # fmt: skip
    if connection.standalone and can and "launch-standalone" not in can:
        yield warning(
            STEP, "D-ALONE", "The EHR does not list launches without its button (launch-standalone).",
            "Take the tick from 'Staff may start without the EHR', or ask its administrator.",
        )  # fmt: skip
    other = "v1" if connection.scope_dialect == "v2" else "v2"
    if can and f"permission-{connection.scope_dialect}" not in can and f"permission-{other}" in can:
        yield warning(
            STEP, "D-SCOPE", f"The EHR lists {other} scopes only, and this connection asks in {connection.scope_dialect}.",
            f"Set 'Scopes' to {other}.",
        )  # fmt: skip
    grants = texts(document, "grant_types_supported")
    if connection.backend_services and grants and "client_credentials" not in grants:
        yield warning(
            STEP, "D-GRANT", "The EHR does not list access without a clinician (client_credentials).",
            "Ask its administrator for Backend Services. Without it nothing is dispatched; take the tick from 'May be read"
            " when no clinician is present' if the clinic goes on without.",
        )  # fmt: skip


def issuers(document: Json, openid: Json, connection: EhrConnection) -> Iterator[Finding]:
    """I1: sign-ins name exactly one of the pinned issuers."""
    said = [name(one["issuer"]) for one in (document, openid) if isinstance(one.get("issuer"), str)]
    if not said and not connection.issuers:
        yield error(
            STEP, "D-ISS", "Neither the EHR nor this connection names the issuer of sign-ins.",
            "Ask the EHR's administrator for the exact `iss` of its id_tokens and enter it under 'Issuer of sign-ins'.",
        )  # fmt: skip
    elif said and connection.issuers and said[0] not in connection.issuers:
        yield error(
            STEP, "D-ISS", f"The EHR now names the issuer {said[0]}, and this connection trusts another. Launches are refused.",
            "Ask the EHR's administrator whether it changed. If so, correct 'Issuer of sign-ins', or add the new one to"
            " 'Further issuers'.",
        )  # fmt: skip
    else:
        shown = said[0] if said else connection.issuers[0]
        yield good(STEP, "D-ISS", f"Sign-ins are issued by {shown}.")


# --------------------------------------------------------------------------------------------------------------- keys
def keys(found: Sequence[Key], connection: EhrConnection, openid: Json) -> Iterator[Finding]:
    """At least one key that may have signed, by an algorithm that the row allows. Where the row and the keys differ, the
    value that fits goes with the finding: one button sets it."""
    algs = allowed(connection.id_token_algs)
    fitting = [key for key in found if any(fits(key, alg) for alg in algs)]
    signs = texts(openid, "id_token_signing_alg_values_supported")
    offer = _fitting_algorithms(found, algs, signs)
    if not found:
        yield error(
            KEYS, "K-NONE", "The EHR's key list holds no public signing key, so no sign-in can be checked.",
            "Ask the EHR's administrator to publish the key that signs id_tokens.",
        )  # fmt: skip
    elif not fitting:
        yield error(
            KEYS, "K-KIND",
            f"None of the EHR's keys fits the algorithms of this connection ({', '.join(sorted(algs))}).",
            f"Its keys sign by {offer}: set 'Its signatures' to that." if offer else
            "Ask which algorithm signs its id_tokens and enter it under 'Its signatures'.",
            knob="id_token_algs" if offer else "", value=offer,
        )  # fmt: skip
    else:
        yield good(KEYS, "K-OK", f"The EHR's key list can be read: {_count(fitting)} for {', '.join(sorted(algs))}.")
    if fitting and set(offer.split()) - algs:
        yield warning(
            KEYS, "K-MORE", f"The EHR says that it also signs by {' '.join(sorted(set(offer.split()) - algs))}, which this"
            " connection refuses.", f"Set 'Its signatures' to {offer}; else sign-ins may be refused (I-ALG).",
            knob="id_token_algs", value=offer,
        )  # fmt: skip
    if signs and not algs & set(signs):
        yield error(
            KEYS, "K-ALG", f"The EHR signs id_tokens with {', '.join(map(name, signs))}, which this connection refuses.",
            "Enter the one that is used under 'Its signatures'; `none` and shared secrets are never accepted.",
        )  # fmt: skip


def _fitting_algorithms(found: Sequence[Key], algs: frozenset[str], signs: Sequence[str]) -> str:
    """What 'Its signatures' should hold: what the EHR says it signs with, in its keys' own `alg` or in its OpenID
    document, as far as one of its keys can; where it says nothing, the usual algorithm of each kind of key. What the row
    allows already, and a key fits, stays. Never anything outside the list of what is possible at all."""
    can = {alg for alg in POSSIBLE_ALGORITHMS if any(fits(key, alg) for key in found)}
    said = can & ({str(key.get("alg")) for key in found} | set(signs))
    usual = can & {"RS256", *CURVE_OF}
    wanted = said | algs & can or usual
    return " ".join(alg for alg in EVERY_ALGORITHM.split() if alg in wanted)


def _count(found: Sequence[Key]) -> str:
    return "one key" if len(found) == 1 else f"{len(found)} keys"
