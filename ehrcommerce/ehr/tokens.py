"""What a token endpoint says, read strictly: SMART App Launch 2.2, "Obtain access token" and "Launch context"
(https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5). Rule numbers: docs/smart-conformance.md."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ehrcommerce.ehr.errors import (
    BadToken,
    ClientRefused,
    EhrBusy,
    LaunchRefused,
    NoPatient,
    ScopeRefused,
    TokenRefused,
)
from ehrcommerce.policy.derive import KIND_OF_TYPE
from ehrcommerce.wire.strict import one_object

DEFAULT_LIFE_S, LONGEST_LIFE_S = 300, 24 * 3600
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REFERENCE = re.compile(r"[A-Z][A-Za-z]{2,40}/[A-Za-z0-9\-.]{1,64}")
INTENT = re.compile(r"[A-Za-z][\w.:/-]{0,39}", re.ASCII)
_SCOPE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]{2,40}|\*)\.([A-Za-z*]{1,5})(\?\S*)?")
_ORDER = "cruds"
# RFC 6749, section 5.2. The code counts before the status: servers write 401 and 403 beside each of them (the public SMART
# launcher does), and only the code tells whether the code, the client or a scope is meant.
REFUSALS: Mapping[str, type[LaunchRefused]] = {
    "invalid_grant": TokenRefused, "invalid_client": ClientRefused, "unauthorized_client": ClientRefused,
    "invalid_scope": ScopeRefused, "temporarily_unavailable": EhrBusy,
}  # fmt: skip
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True)
class Grant:
    """One resource scope: `patient/MedicationRequest.rs?status=active`."""

    level: str
    resource: str
    permissions: str
    constraint: str = ""


@dataclass(frozen=True)
class Manners:
    """What one EHR is known to write otherwise, by its row: `token_type` left out, `Patient/1` where an id belongs."""

    token_type_optional: bool = False
    patient_prefix_ok: bool = False


STRICT = Manners()


@dataclass(frozen=True)
class TokenAnswer:
    """A token and the launch context that came with it. What is not named here was not read."""

    access_token: str = field(repr=False)
    expires_in_s: int
    scope: str
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)
    focus: tuple[str, ...] = field(default=(), repr=False)
    need_patient_banner: bool = True
    style_url: str = ""
    intent: str = ""
    tenant: str = ""
    names_scope: bool = True
    app_context: str = field(default="", repr=False)


# ------------------------------------------------------------------------------------------------------- the answer
def read_answer(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of a successful answer. Nothing of a refusal's text is repeated: only its OAuth code counts. A name
    with null is a name that is not there: some servers write every field that they know."""
    try:
        found = one_object(body)
    except ValueError as problem:
        raise (EhrBusy if status == 429 or status >= 500 else BadToken) from problem
    if status == 200 and found.get("error") is None:
        return found
    error = found.get("error")
    if isinstance(error, str) and error in REFUSALS:
        raise REFUSALS[error]
    if status == 429 or status >= 500:
        raise EhrBusy
    raise ClientRefused if status == 401 else TokenRefused


def parse(
    found: Mapping[str, Any], *, requested: str, patient_needed: bool = True, manners: Manners = STRICT
) -> TokenAnswer:
    """T5 to T7 and X1 to X7. Raises BadToken and NoPatient."""
    scope = _scope(found, requested)
    _context_id(found, "encounter")  # X1: sound or refused. Nobody uses it, so nobody keeps it (decision 0011).
    patient = _context_id(_without_prefix(found) if manners.patient_prefix_ok else found, "patient")
    if patient_needed and not patient and any(grant.level == "patient" for grant in grants(scope)):
        raise NoPatient
    return TokenAnswer(
        access_token=_access_token(found, manners), expires_in_s=_life_s(found.get("expires_in")), scope=scope,
        refresh_token=_text(found, "refresh_token"), id_token=_text(found, "id_token"), patient=patient,
        focus=_focus(found.get("fhirContext")),
        need_patient_banner=_banner(found.get("need_patient_banner")), style_url=_said(found, "smart_style_url"),
        intent=_intent(found.get("intent")), tenant=_said(found, "tenant"), names_scope=found.get("scope") is not None,
        app_context=_said(found, "appContext"),
    )  # fmt: skip


def _access_token(found: Mapping[str, Any], manners: Manners) -> str:
    """T5: a usable bearer token, no other kind; a kind that is not named only where the row knows of that."""
    token, kind = found.get("access_token"), found.get("token_type")
    if kind is None and manners.token_type_optional:
        kind = "Bearer"
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise BadToken
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise BadToken
    return token


def _life_s(value: Any) -> int:
    """T5: seconds, also as text; absent or junk is five minutes; not positive is unusable; absurd is a day."""
    text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"-?\d{1,40}(\.0+)?|\d(\.\d+)?e\+?\d+", text):
        return DEFAULT_LIFE_S
    seconds = float(text)
    if seconds <= 0:
        raise BadToken
    return int(min(seconds, LONGEST_LIFE_S))


def _scope(found: Mapping[str, Any], requested: str) -> str:
    """T5: a missing scope means what was asked for; anything but text is not in the form."""
    scope = requested if found.get("scope") is None else found["scope"]
    if not isinstance(scope, str):
        raise BadToken
    return " ".join(scope.split())


def _context_id(found: Mapping[str, Any], name: str) -> str:
    """X1: an id, and nothing that could be a path, a list or another server's address."""
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not FHIR_ID.fullmatch(value) or value.strip(".") == "":
        raise BadToken
    return value


def _without_prefix(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Patient/1` -> `1`, and nothing else: no other type, no address, no second slash."""
    value = found.get("patient")
    return {**found, "patient": value.removeprefix("Patient/")} if isinstance(value, str) else found


def _focus(value: Any) -> tuple[str, ...]:
    """X2: relative references to orders, with the role `launch` (also when none is named) or a role that is an address;
    bad items are left out, the launch goes on."""
    items = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    wanted = [item.get("reference") for item in items if _is_role(item.get("role", "launch"))]
    found = [text for text in wanted if isinstance(text, str) and REFERENCE.fullmatch(text)]
    return tuple(text for text in dict.fromkeys(found) if text.partition("/")[0] in KIND_OF_TYPE)[:50]


def _is_role(role: Any) -> bool:
    return isinstance(role, str) and (role == "launch" or re.match(r"https?://\S", role) is not None)


def _intent(value: Any) -> str:
    """X4: a short word, else none; what it means the pages decide."""
    return value if isinstance(value, str) and INTENT.fullmatch(value) else ""


def _said(found: Mapping[str, Any], name: str) -> str:
    """Text of 255 characters at most; anything else is as if it were not there: the launch goes on without it."""
    value = found.get(name)
    return value if isinstance(value, str) and len(value) <= 255 and value.isprintable() else ""


def _banner(value: Any) -> bool:
    """X3: only a clear no takes the banner away."""
    return not (value is False or (isinstance(value, str) and value.lower() == "false"))


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadToken
    return value


# ----------------------------------------------------------------------------------------------------------- scopes
def grants(scope: str) -> tuple[Grant, ...]:
    """T6: the resource scopes of a scope string, v2 and v1, in one form. What cannot be read grants nothing."""
    found = (_SCOPE.fullmatch(word) for word in scope.split())
    parsed = [Grant(m[1], m[2], _permissions(m[3]), (m[4] or "")[1:]) for m in found if m]
    return tuple(grant for grant in parsed if grant.permissions)


def _permissions(text: str) -> str:
    """v1 words in any case; v2 letters only in the order of the specification (`.dus` grants nothing)."""
    word = text.lower()
    if word in _V1:
        return _V1[word]
    places = [_ORDER.find(letter) for letter in text]
    return text if -1 not in places and places == sorted(set(places)) else ""


def may_write(scope: str, resource: str) -> bool:
    """W5: whether the app's own token may create and change this type. As in `permitted`, words that cannot be read at
    all leave it to the EHR."""
    found = grants(scope)
    of_it = [grant for grant in found if grant.level == "system" and grant.resource in (resource, "*")]
    allowed = {letter for grant in of_it for letter in grant.permissions}
    return not found or {"c", "u"} <= allowed


def permitted(scope: str, resources: Iterable[str], permission: str) -> tuple[str, ...]:
    """T6: of these types those that a clinician's token may read ("r") or search ("s"), also under a constraint: what
    was not granted is not tried. All, where the EHR's words for what it granted cannot be read at all: then the EHR
    decides at each request."""
    found = grants(scope)
    if not found and scope.strip():
        return tuple(resources)
    granted = {
        grant.resource for grant in found if grant.level in ("patient", "user") and permission in grant.permissions
    }  # fmt: skip
    return tuple(name for name in resources if granted & {name, "*"})
