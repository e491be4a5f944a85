"""What is known of each vendor, as data: the knobs of a new connection start here, each with the reason for its value.
A preset is a beginning and no rule: the row is what counts, a person may change it, and the admin shows where the two
differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db import models

from ehrcommerce.ehr.models import EhrConnection


@dataclass(frozen=True)
class Knob:
    """One column of EhrConnection, the value that this vendor needs, and why."""

    name: str
    value: Any
    because: str


@dataclass(frozen=True)
class Preset:
    """One vendor. `hosts` are ends of host names, `paths` parts of a FHIR base, `software` words of a
    CapabilityStatement; by them a connection guesses whose EHR it is. `refusal` says why it cannot be connected."""

    vendor: str
    title: str
    knobs: tuple[Knob, ...] = ()
    notes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    refusal: str = ""
    for_tests: bool = field(default=False)

    def value(self, name: str) -> Any:
        """What this vendor's row starts with: its own value, else the usual one."""
        own = next((knob.value for knob in self.knobs if knob.name == name), None)
        return own if own is not None else default(name)

    def because(self, name: str) -> str:
        return next((knob.because for knob in self.knobs if knob.name == name), "the usual value")


# The columns that a preset may set. Names, addresses, secrets and what launches pinned are each connection's own.
KNOBS = (
    "client_auth", "basic_encoding", "client_id_in_body", "assertion_alg", "id_token_algs", "jwks_source",
    "nonce_policy", "fhir_user_policy", "scope_dialect", "launch_scopes", "retry_reduced_scopes", "token_type_optional",
    "patient_prefix_ok", "introspects", "standalone", "honors_elements", "honors_include", "honors_batch",
    "search_parameters", "medication_order", "backend_services", "write_back", "connect_s", "read_s",
    "rate_per_minute",
)  # fmt: skip

# Of an EHR without DeviceRequest, with the renewal of its short tokens; in the words of both dialects.
_WITHOUT_DEVICES = (
    "launch openid fhirUser online_access patient/MedicationRequest.rs patient/Medication.r patient/Patient.r"
    " patient/ServiceRequest.rs user/Practitioner.r"
)
_WITHOUT_DEVICES_V1 = (
    "launch openid fhirUser online_access patient/MedicationRequest.read patient/Medication.read patient/Patient.read"
    " patient/ServiceRequest.read user/Practitioner.read"
)

_EPIC = Preset(
    "epic", "Epic",
    knobs=(
        Knob("assertion_alg", "RS384", "Epic takes RS384 from a key set address and from uploaded keys alike"),
        Knob("basic_encoding", "urlencoded", "Epic decodes id and secret before it compares them"),
        Knob("id_token_algs", "RS256", "Epic signs its id_tokens with RS256 and nothing else"),
        Knob("scope_dialect", "v1", "Epic writes its scopes as user/Encounter.read"),
        Knob(
            "launch_scopes", _WITHOUT_DEVICES_V1,
            "DeviceRequest is not in Epic's list of scopes, and a device is often a ServiceRequest there",
        ),
        Knob("honors_include", False, "Epic ignores _include=MedicationRequest:medication"),
        Knob("honors_elements", False, "Epic is not known to honor _elements; whole resources are cut here"),
        Knob("medication_order", "concept display contained read", "its medicationReference carries a display"),
    ),
    notes=(
        "The sign-in issuer is another address than the FHIR base (it ends in /oauth2). Add its origin if the test"
        " names it.",
        "Redirect addresses are compared letter by letter, and a change takes hours to reach every server of Epic.",
        "Old sites name their keys in the OpenID document only; it is found without a setting.",
        "Where a site opens DeviceRequest, add patient/DeviceRequest.read to 'Scopes that are asked'.",
    ),
    hosts=("fhir.epic.com", ".epic.com"), paths=("/api/fhir/",), software=("epic",),
)  # fmt: skip

_ORACLE = Preset(
    "oracle", "Oracle Health (Cerner)",
    knobs=(
        Knob("fhir_user_policy", "profile_claim", "older sites name the user in `profile` instead of fhirUser"),
        Knob("id_token_algs", "RS256", "its documentation names RS256 and nothing else"),
        Knob("honors_elements", False, "its documentation does not know _elements for clinical searches"),
        Knob("honors_include", False, "its orders carry the medication as a code or contained; nothing to include"),
        Knob(
            "launch_scopes", _WITHOUT_DEVICES,
            "DeviceRequest is not among its R4 resources; without online_access a launch ends with its token, after ten"
            " minutes",
        ),
        Knob("write_back", False, "Task is not among its R4 resources"),
    ),
    notes=(
        "Each identity provider has an issuer of its own, .../oidc/idsps/<id>/ with a slash at the end. The first launch"
        " pins one; write further ones into 'Further issuers of sign-ins'.",
        "Tokens live about ten minutes and refresh tokens are not replaced.",
    ),
    hosts=(".cerner.com", ".oraclehealth.com"), software=("cerner", "oracle health", "millennium"),
)  # fmt: skip

_ATHENA = Preset(
    "athenahealth", "athenahealth",
    knobs=(
        Knob(
            "search_parameters", {"MedicationRequest": "intent=order,plan"},
            "it wants an intent with the patient, and knows only order and plan",
        ),
        Knob("honors_include", False, "it is not known to include medications; tick it where it does"),
        Knob("honors_elements", False, "it is not known to honor _elements; whole resources are cut here"),
    ),
    notes=(
        "Some sites want `aud` with /fhir at its end and some without. If the sign-in refuses `aud`, write the other one"
        " into 'Audience of a launch'.",
        "The token service takes 50 requests a minute (5 in preview), and there is a daily quota.",
    ),
    hosts=(".athenahealth.com", ".athenahealth.io"), software=("athena",),
)  # fmt: skip

_ECW = Preset(
    "eclinicalworks", "eClinicalWorks",
    knobs=(
        Knob("assertion_alg", "RS384", "it takes RS384 alone"),
        Knob("scope_dialect", "v1", "it writes its scopes as patient/Patient.read; the test tells where it does not"),
        Knob(
            "launch_scopes", _WITHOUT_DEVICES_V1,
            "it is not known to have DeviceRequest, and a scope that it does not know may refuse the launch",
        ),
        Knob("honors_include", False, "it is not known to include medications; tick it where it does"),
        Knob("honors_elements", False, "it is not known to honor _elements; whole resources are cut here"),
        Knob("rate_per_minute", 250, "a practice may ask 250 times a minute"),
    ),
    notes=(
        "PKCE is required, which the app always does. Tokens of the app's own access live five minutes.",
        "Where a site opens DeviceRequest, add patient/DeviceRequest.read to 'Scopes that are asked'.",
    ),
    hosts=(".eclinicalworks.com", ".ecwcloud.com", ".healow.com"), software=("eclinicalworks",),
)  # fmt: skip

_VERADIGM = Preset(
    "veradigm", "Veradigm (Allscripts)",
    knobs=(
        Knob("scope_dialect", "v1", "it knows v1 scopes only and refuses a mix with v2"),
        Knob("honors_include", False, "it is not known to include medications; tick it where it does"),
        Knob("honors_elements", False, "it is not known to honor _elements; whole resources are cut here"),
    ),
    notes=("The FHIR base names the organization: .../fhirroute/open/<organization>. Production takes about ten days.",),
    hosts=(".veradigm.com", ".allscripts.com", ".allscriptscloud.com"), paths=("/fhirroute/",),
    software=("veradigm", "allscripts"),
)  # fmt: skip

_MEDPLUM = Preset(
    "medplum", "Medplum",
    knobs=(
        Knob("honors_batch", True, "it answers a batch of reads in one request"),
        Knob("id_token_algs", "RS256 ES256", "new deployments sign id_tokens with ES256, older ones with RS256"),
    ),
    notes=(
        "Reports to the chart work there (Task is taken); switch 'Report to the chart' on if the clinic wants them.",
        "The launch value is the id of a row at Medplum; the app passes it on unread.",
    ),
    hosts=(".medplum.com",), software=("medplum",),
)  # fmt: skip

_LAUNCHER = Preset(
    "smart_launcher", "SMART launcher",
    knobs=(
        Knob("client_auth", "none", "a launch starts there as a public client unless the launcher is set otherwise"),
        Knob("backend_services", False, "a simulated launch has no access of the app's own"),
    ),
    notes=("Copy the FHIR base from the launcher's page: it holds the simulated launch and changes with its options.",),
    hosts=("launch.smarthealthit.org",), paths=("/v/r4/sim/",), for_tests=True,
)  # fmt: skip

_HAPI = Preset(
    "hapi", "HAPI FHIR server",
    knobs=(
        Knob("honors_batch", True, "it answers a batch of reads in one request"),
        Knob("retry_reduced_scopes", True, "the sign-in in front of it is somebody else's and may know fewer scopes"),
    ),
    notes=(
        "HAPI has no sign-in of its own. Add the origin of the authorization server if the test names it.",
        "Behind a proxy, set HAPI's server address: next links to inner hosts are not followed.",
    ),
    hosts=("hapi.fhir.org",), software=("hapi fhir",),
)  # fmt: skip

_INFERNO = Preset(
    "inferno", "Inferno test kit",
    knobs=(Knob("nonce_policy", "if_returned", "its id_tokens carry no nonce"),),
    notes=("Its SMART configuration names no key set; the OpenID document does, and is found without a setting.",),
    hosts=("inferno.healthit.gov",), paths=("/suites/custom/",), for_tests=True,
)  # fmt: skip

_SANDBOX = Preset(
    "sandbox", "Sandbox EHR of the demo",
    knobs=(Knob("write_back", True, "it takes a Task for each purchase"),),
    software=("lakeside ehr (sandbox)",), for_tests=True,
)  # fmt: skip

_MEDENT = Preset(
    "medent", "MEDENT",
    refusal="MEDENT names the patient only through fhirUser, which is a patient's own sign-in; its token answer names no"
    " patient. A clinician's launch must say whose chart is open, so this EHR cannot be connected. Ask the vendor for the"
    " `patient` launch context of SMART App Launch.",
    hosts=(".medent.com",), software=("medent",),
)  # fmt: skip

GENERIC = Preset(
    "generic", "Another EHR", notes=("The values are those of SMART App Launch 2.2. The test says what differs.",)
)

PRESETS: Mapping[str, Preset] = {
    preset.vendor: preset
    for preset in (
        _EPIC, _ORACLE, _ATHENA, _ECW, _VERADIGM, _MEDPLUM, GENERIC, _HAPI, _LAUNCHER, _INFERNO, _SANDBOX, _MEDENT,
    )
}  # fmt: skip


def preset(vendor: str) -> Preset:
    """A vendor that is not in the list gets the values of the specification."""
    return PRESETS.get(vendor, GENERIC)


def default(name: str) -> Any:
    """What a new row has in this column."""
    column = EhrConnection._meta.get_field(name)
    if not isinstance(column, models.Field):
        raise TypeError(f"{name} is no column of a connection")
    return column.get_default()


def fill(connection: EhrConnection, *, besides: frozenset[str] = frozenset()) -> None:
    """Set every knob to what the row's vendor needs, but those `besides`. The row is not saved."""
    wanted = preset(connection.vendor)
    for name in KNOBS:
        if name not in besides:
            setattr(connection, name, wanted.value(name))


@dataclass(frozen=True)
class Difference:
    """A knob that was changed by hand."""

    name: str
    here: Any
    there: Any
    because: str


def differences(connection: EhrConnection) -> Iterator[Difference]:
    """Where the row and its vendor's preset say different things."""
    wanted = preset(connection.vendor)
    for name in KNOBS:
        here, there = getattr(connection, name), wanted.value(name)
        if here != there:
            yield Difference(name, here, there, wanted.because(name))


def guess(fhir_base: str, software: str = "") -> str:
    """Whose EHR this probably is: by its host, by the path of its base, by what its CapabilityStatement calls itself.
    "" where nothing tells."""
    parts = urlsplit(fhir_base.lower())
    host, path = parts.hostname or "", f"{parts.path}/"
    for one in PRESETS.values():
        if any(f".{host}".endswith(end if end.startswith(".") else f".{end}") for end in one.hosts):
            return one.vendor
    for one in PRESETS.values():
        if any(part in path for part in one.paths) or any(word in software.lower() for word in one.software):
            return one.vendor
    return ""
