"""What may stand in a knob of an EHR connection. A row decides whom the app talks to, whom it believes and what it asks,
so each text is read by a rule before it is kept; the sentence of a refusal is for the person at the form."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from ehrcommerce.ehr import smart
from ehrcommerce.ehr.errors import BadIssuer, ScopesMisset
from ehrcommerce.ehr.identity import NOT_NEEDED, POSSIBLE_ALGORITHMS
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.policy import derive
from ehrcommerce.wire.client import origin

MEDICATION_PLACES = ("concept", "contained", "display", "read")
SEARCHED = derive.SEARCHED
PARAMETER = re.compile(r"_?[a-z][A-Za-z-]{0,40}(:[a-z-]{1,20})?")
# Whose data is asked for, and how much of it, is not a matter of taste.
OURS = frozenset(
    {"patient", "subject", "beneficiary", "_id", "_elements", "_include", "_revinclude", "_has", "_filter"}
)


def origins(text: str) -> str:
    """One origin a line, in its canonical form."""
    return "\n".join(dict.fromkeys(_origin(one) for one in re.split(r"[\s,]+", text.strip()) if one))


def _origin(text: str) -> str:
    found = origin(text)
    if not found or urlsplit(text).path.strip("/") or urlsplit(text).query or urlsplit(text).fragment:
        raise ValidationError(f"{text[:80]} is not an origin. Write https, the host name and nothing after it.")
    try:
        return canonical_iss(found)
    except BadIssuer as problem:
        raise ValidationError(f"{text[:80]}: an https address with a host name is needed.") from problem


def address(text: str, *, registered: tuple[str, ...] = ()) -> str:
    """An https address; on one of the `registered` origins where the app itself will ask there."""
    where = origin(text)
    sound = re.fullmatch(r"[\x21-\x7e]{1,255}", text) and not urlsplit(text).fragment
    if not where or not sound or (where.startswith("http://") and not settings.ALLOW_LOOPBACK_PARTNERS):
        raise ValidationError("Not a complete https address.")
    if registered and where not in registered:
        raise ValidationError(f"{where} is not an origin of this connection. Add it to the further origins first.")
    return text


def issuers(text: str) -> str:
    """Exact values, one a line: compared letter by letter, so nothing is changed in them."""
    listed = [one for one in text.split() if one]
    for one in listed:
        address(one)
    return "\n".join(dict.fromkeys(listed))


def algorithms(text: str) -> str:
    listed = [one for one in re.split(r"[\s,]+", text.strip()) if one]
    strange = [one for one in listed if one not in POSSIBLE_ALGORITHMS]
    if strange or not listed:
        raise ValidationError(f"Choose among {', '.join(sorted(POSSIBLE_ALGORITHMS))}. Others are never accepted.")
    return " ".join(dict.fromkeys(listed))


# What a finding of a test may set with one button, and the rule that reads its value.
BY_BUTTON: Mapping[str, Callable[[str], str]] = {
    "id_token_algs": algorithms,
    "client_auth": lambda text: _one_of(text, "private_key_jwt"),
    "assertion_alg": lambda text: _one_of(text, "ES384", "RS384"),
}


def _one_of(text: str, *known: str) -> str:
    if text not in known:
        raise ValidationError(f"Choose among {', '.join(known)}.")
    return text


def medication_order(text: str) -> str:
    listed = text.split()
    if not listed or len(set(listed)) != len(listed) or not set(listed) <= set(MEDICATION_PLACES):
        raise ValidationError(f"Some of these words in the order wanted: {', '.join(MEDICATION_PLACES)}.")
    return " ".join(listed)


# -------------------------------------------------------------------------------------------------------------- scopes
def launch_scopes(text: str) -> str:
    """Each within the table, in either dialect, with or without a `?query` that makes it smaller."""
    listed = list(dict.fromkeys(text.split()))
    if not listed:
        return ""
    try:
        smart.own_scopes(text)
    except ScopesMisset as problem:
        raise ValidationError(
            f"One of these is more than the app may ask. Allowed are {' '.join(derive.launch_scopes())} and their v1 forms,"
            " each also with ?parameters that make it smaller."
        ) from problem
    if not any(one.startswith("patient/Patient.") for one in listed):
        raise ValidationError("patient/Patient is needed: without it no launch can show whose chart is open.")
    return " ".join(listed)


# ------------------------------------------------------------------------------------------------------------ searches
def search_parameters(value: Any) -> dict[str, str]:
    """`{"MedicationRequest": "intent=order,plan&status="}`: types that are searched, parameters that are not ours."""
    if value in (None, "", {}):
        return {}
    if not isinstance(value, Mapping):
        raise ValidationError('Write it like {"MedicationRequest": "intent=order,plan&status="}.')
    return {kind: _query(kind, text) for kind, text in value.items()}


def _query(kind: str, text: Any) -> str:
    if kind not in SEARCHED:
        raise ValidationError(f"{str(kind)[:40]} is not searched. Types: {', '.join(SEARCHED)}.")
    if not isinstance(text, str) or len(text) > 500:
        raise ValidationError(f"{kind}: write parameters as in an address, name=value&name=value.")
    for name in _names(kind, text):
        if name.partition(":")[0] in OURS:
            raise ValidationError(f"{kind}: {name} is set by the app. Whose data is asked for cannot be changed here.")
    return text


def _names(kind: str, text: str) -> Iterator[str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError as problem:
        raise ValidationError(f"{kind}: write parameters as in an address, name=value&name=value.") from problem
    for name, _ in pairs:
        if not PARAMETER.fullmatch(name):
            raise ValidationError(f"{kind}: {name[:40]} is not the name of a search parameter.")
        yield name


def standalone_is_safe(standalone: bool, fhir_user_policy: str) -> bool:
    """A start without the EHR's button is open to everybody who can sign in at the EHR, patients of its portal too; only
    the name of the user tells them from clinicians."""
    return not (standalone and fhir_user_policy == NOT_NEEDED)


def certificate(text: str) -> str:
    """A name of the settings; never a path, never a key."""
    known = settings.CLIENT_CERTIFICATES
    if text and text not in known:
        listed = ", ".join(sorted(known)) or "none is configured"
        raise ValidationError(f"No certificate of this name is configured here (EHRC_CLIENT_CERTIFICATES): {listed}.")
    return text
