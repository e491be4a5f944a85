"""The form of an EHR connection: seven questions for a new one, whose vendor then fills the knobs; every knob for one that
is there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection

from ehrcommerce.ehr import knob_rules, presets
from ehrcommerce.ehr.errors import BadIssuer
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import EhrConnection, EhrIssuer
from ehrcommerce.wire.client import origin

if TYPE_CHECKING:
    _ConnectionForm = forms.ModelForm[EhrConnection]
    _SpellingForm = forms.ModelForm[EhrIssuer]
else:
    _ConnectionForm = _SpellingForm = forms.ModelForm

SIGNED = ("private_key_jwt", "private_key_jwt: signed statements, nothing secret is exchanged (best)")
METHODS = (
    SIGNED,
    ("client_secret_basic", "client_secret_basic: a secret of the EHR, in the header"),
    ("client_secret_post", "client_secret_post: a secret of the EHR, in the body"),
    ("none", "none: a public client, protected by PKCE alone"),
)
LABELS = {
    "slug": "Short name",
    "fhir_base": "FHIR address",
    "client_id": "Client id",
    "client_auth": "How we prove who we are",
    "basic_encoding": "Secret in the header",
    "client_id_in_body": "Client id in the body",
    "assertion_alg": "Signature",
    "assertion_aud": "Audience of our statements",
    "aud_override": "Audience of a launch",
    "oidc_issuer": "Issuer of sign-ins",
    "more_issuers": "Further issuers of sign-ins",
    "jwks_source": "Keys are named by",
    "jwks_uri": "Address of its keys",
    "id_token_algs": "Its signatures",
    "nonce_policy": "Nonce",
    "fhir_user_policy": "Name of the user",
    "scope_dialect": "Scopes",
    "launch_scopes": "Scopes that are asked",
    "retry_reduced_scopes": "Ask once more with fewer scopes",
    "standalone": "Staff may start without the EHR",
    "token_type_optional": "May leave out token_type",
    "patient_prefix_ok": "May write Patient/1 for 1",
    "introspects": "Ask whether the sign-in still holds",
    "extra_origins": "Further origins",
    "frame_origins": "Origins that frame the app",
    "honors_elements": "Honors _elements",
    "honors_include": "Honors _include",
    "honors_batch": "Answers batches",
    "search_parameters": "Parameters of searches",
    "medication_order": "Where a medication's name is",
    "backend_services": "May be read when no clinician is present",
    "write_back": "Report to the chart",
    "client_certificate": "Client certificate",
    "connect_s": "Patience to connect, in seconds",
    "read_s": "Patience in seconds",
    "rate_per_minute": "Requests a minute",
    "owner": "Who looks after it here",
    "owner_contact": "Whom to call there",
    "runbook_url": "Runbook",
    "tenant": "Tenant",
}
HELP = {
    "name": "As clinicians read it.",
    "slug": "Part of the redirect address; it stays as it is once the EHR has it.",
    "vendor": "Fills in how this vendor differs. You can change each value afterwards.",
    "fhir_base": "The FHIR R4 base, exactly as the EHR gives it: https://ehr.example.org/fhir/R4",
    "client_id": "As the EHR registered the app. May stay empty until it comes back from there.",
    "client_auth": "As the app is registered there.",
    "enabled": "Off: nobody can launch and nothing is read.",
    "frame_origins": "Whose pages show the app in a frame, one a line: https://ehr.example.org . Empty: in no frame.",
    "extra_origins": "Where else the EHR lives, one a line: sign-in or tokens on another host. Test connection names them.",
    "basic_encoding": "raw as in SMART; urlencoded for Epic and strict OAuth servers.",
    "client_id_in_body": "always: for servers that want it beside a signed statement or a header.",
    "assertion_alg": "Both kinds of keys are published.",
    "assertion_aud": "Empty: the token address. Fill in where a proxy gives it another name.",
    "aud_override": "Empty: the FHIR address. Fill in where the EHR's sign-in wants another one.",
    "oidc_issuer": "The exact iss of its id_tokens. Empty: pinned at the first launch.",
    "more_issuers": "One a line, letter by letter.",
    "jwks_source": "smart_configuration looks into the OpenID document too where the first names none.",
    "jwks_uri": "Empty: as the EHR names it, pinned at the first launch.",
    "id_token_algs": "Those with which the EHR signs, with spaces between. Each is checked with a key of its kind only.",
    "nonce_policy": "if_returned and off are for servers that do not give it back; each weakens the sign-in.",
    "fhir_user_policy": "profile_claim: some put it into profile. not_needed: the clinician stays without a name.",
    "scope_dialect": "v2: patient/Patient.r, v1: patient/Patient.read.",
    "launch_scopes": "Empty: the usual ones. Fewer where the EHR lacks a type; ?status=active may follow a scope.",
    "retry_reduced_scopes": "One new attempt where the EHR answers invalid_scope.",
    "standalone": "At an address of its own, where they sign in to the EHR and choose a patient there.",
    "token_type_optional": "For a token answer that does not say Bearer.",
    "patient_prefix_ok": "Where the token answer names the patient so.",
    "introspects": "Before Send (RFC 7662), where the EHR offers it.",
    "honors_elements": "Off: whole resources are read, and cut here.",
    "honors_include": "Off: medications are read one by one.",
    "honors_batch": "On: they are read in one request.",
    "search_parameters": 'By type, in place of ours: {"MedicationRequest": "intent=order,plan&status="}. Empty: left out.',
    "medication_order": "concept, contained, display, read: tried from left to right.",
    "backend_services": "Needed to check an order before it is sent. Without it nothing is dispatched.",
    "write_back": "A Task in the chart follows each purchase.",
    "client_certificate": "The name of a certificate that is configured on the server; empty for most EHRs.",
    "rate_per_minute": "At most, for each process of the app. 0: no limit.",
    "owner": "Shown, with the next two, where something of this EHR is stuck.",
    "owner_contact": "When this breaks: a name and a phone number.",
    "runbook_url": "Where it is written how: https://wiki.example.org/ehr",
}

# A launch may record these while the form is open; what counts as changed is held against what the form showed.
PINNED_MEANWHILE = {"oidc_issuer", "jwks_uri"}


class ConnectionForm(_ConnectionForm):
    """Also used for a new row, where only some of the fields are shown."""

    new_client_secret = forms.CharField(
        required=False,
        strip=True,
        label="New client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Only where the EHR gave one. Never shown again. Empty: it stays as it is.",
    )
    refill = forms.BooleanField(
        required=False,
        label="Fill in the vendor's values again",
        help_text="Every value above goes back to the preset.",
    )

    class Meta:
        model = EhrConnection
        fields = (
            "name", "slug", "vendor", "enabled", "owner", "owner_contact", "runbook_url", "fhir_base", "client_id", "client_auth",
            "basic_encoding", "client_id_in_body", "assertion_alg", "assertion_aud", "aud_override", "oidc_issuer",
            "more_issuers", "jwks_source", "jwks_uri", "id_token_algs", "nonce_policy", "fhir_user_policy",
            "scope_dialect", "launch_scopes", "retry_reduced_scopes", "standalone", "token_type_optional",
            "patient_prefix_ok", "introspects", "extra_origins", "frame_origins", "honors_elements", "honors_include",
            "honors_batch", "search_parameters", "medication_order", "backend_services", "write_back",
            "client_certificate", "connect_s", "read_s", "rate_per_minute",
        )  # fmt: skip
        widgets = {
            "client_id": forms.TextInput(attrs={"class": "vTextField"}),
            "fhir_base": forms.TextInput(attrs={"class": "vTextField"}),
            **{
                name: forms.Textarea(attrs={"rows": 2, "cols": 60})
                for name in ("extra_origins", "frame_origins", "more_issuers", "launch_scopes", "search_parameters")
            },
        }
        labels, help_texts = LABELS, HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._for_new = self.instance.pk is None
        fields = self.fields
        for name in PINNED_MEANWHILE & set(fields):
            fields[name].show_hidden_initial = True
        if "vendor" in fields:
            fields["vendor"] = forms.ChoiceField(
                choices=_vendors(self.instance),
                initial=presets.GENERIC.vendor,
                label="Vendor",
                help_text=HELP["vendor"],
            )
        if "client_id" in fields:
            fields["client_id"].required = False
        if "client_auth" in fields:
            methods = (("", "as this vendor does it"), *METHODS) if self._for_new else METHODS
            fields["client_auth"] = forms.ChoiceField(
                choices=methods, required=not self._for_new, label=LABELS["client_auth"], help_text=HELP["client_auth"]
            )

    # ------------------------------------------------------------------------------------------------- the addresses
    def clean_fhir_base(self) -> str:
        base = str(self.cleaned_data["fhir_base"])
        free_iss(base, besides=self.instance.pk)
        return base

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if _is_taken("SELECT pk FROM ehrc_connection_by_slug(%s)", slug, self.instance.pk):
            raise ValidationError("This short name is taken. Choose another.")
        return slug

    def clean_vendor(self) -> str:
        vendor = str(self.cleaned_data["vendor"])
        if refusal := presets.preset(vendor).refusal:
            raise ValidationError(refusal)
        return vendor

    def clean_extra_origins(self) -> str:
        return knob_rules.origins(self.cleaned_data["extra_origins"])

    def clean_frame_origins(self) -> str:
        return knob_rules.origins(self.cleaned_data["frame_origins"])

    # ------------------------------------------------------------------------------------------------- the other knobs
    def clean_oidc_issuer(self) -> str:
        return self._if_given("oidc_issuer", knob_rules.address)

    def clean_more_issuers(self) -> str:
        return knob_rules.issuers(self.cleaned_data["more_issuers"])

    def clean_aud_override(self) -> str:
        return self._if_given("aud_override", knob_rules.address)

    def clean_assertion_aud(self) -> str:
        return self._if_given("assertion_aud", knob_rules.address)

    def clean_id_token_algs(self) -> str:
        return knob_rules.algorithms(self.cleaned_data["id_token_algs"])

    def clean_launch_scopes(self) -> str:
        return knob_rules.launch_scopes(self.cleaned_data["launch_scopes"])

    def clean_search_parameters(self) -> dict[str, str]:
        return knob_rules.search_parameters(self.cleaned_data["search_parameters"])

    def clean_medication_order(self) -> str:
        return knob_rules.medication_order(self.cleaned_data["medication_order"])

    def clean_client_certificate(self) -> str:
        return knob_rules.certificate(self.cleaned_data["client_certificate"])

    def _if_given(self, name: str, rule: Callable[[str], str]) -> str:
        value = str(self.cleaned_data[name])
        return rule(value) if value else ""

    def clean(self) -> dict[str, Any]:
        """What depends on more than one field."""
        given = super().clean() or self.cleaned_data
        if given.get("enabled") and not str(given.get("client_id", "")).strip() and not self._for_new:
            self.add_error(
                "client_id", "Needed before the connection is switched on. Take the tick from 'Enabled' first."
            )
        registered = (origin(given.get("fhir_base", "")), *given.get("extra_origins", "").split())
        if given.get("jwks_uri"):
            try:
                knob_rules.address(given["jwks_uri"], registered=registered)
            except ValidationError as problem:
                self.add_error("jwks_uri", problem)
        elif given.get("jwks_source") == "pinned":
            self.add_error("jwks_uri", "Pinned keys need their address.")
        if not knob_rules.standalone_is_safe(bool(given.get("standalone")), given.get("fhir_user_policy", "")):
            self.add_error(
                "standalone", "Without the name of the user a patient could pass for staff. Choose one of the two."
            )
        if given.get("backend_services") and given.get("client_auth") not in ("private_key_jwt", "", None):
            self.add_error(
                "backend_services", "Reading without a clinician needs private_key_jwt. Choose one of the two."
            )
        return given

    # ------------------------------------------------------------------------------------------------------------ save
    def save(self, commit: bool = True) -> Any:
        row = super().save(commit=False)
        chosen = self.cleaned_data.get("client_auth", "")
        if self._for_new or self.cleaned_data.get("refill"):
            presets.fill(row)
        if self._for_new:
            self._begin(row, chosen)
        if self.cleaned_data.get("new_client_secret"):
            row.client_secret = self.cleaned_data["new_client_secret"]
        if commit:
            row.save(update_fields=self.saved_fields)
        return row

    @property
    def saved_fields(self) -> list[str] | None:
        """Only what was changed at the form or filled in by it: a launch may have pinned something meanwhile. None, which
        is all of them, for a new row."""
        if self._for_new:
            return None
        changed = set(self.changed_data) & {column.name for column in EhrConnection._meta.concrete_fields}
        if self.cleaned_data.get("refill"):
            changed |= set(presets.KNOBS)
        if self.cleaned_data.get("new_client_secret"):
            changed.add("client_secret")
        return sorted(changed)

    @staticmethod
    def _begin(row: EhrConnection, chosen: str) -> None:
        """What was said at the form counts more than the preset; without a client id nobody can launch yet."""
        row.client_auth = chosen or row.client_auth
        row.backend_services = row.backend_services and row.client_auth == "private_key_jwt"
        row.enabled = row.enabled and bool(row.client_id.strip())


class SpellingForm(_SpellingForm):
    """A further `iss` of the same EHR."""

    class Meta:
        model = EhrIssuer
        fields = ("spelling",)
        labels = {"spelling": "Further address"}

    def clean_spelling(self) -> str:
        spelling = str(self.cleaned_data["spelling"])
        canonical = free_iss(spelling, besides=self.instance.connection_id)
        mine = self.instance.connection
        if canonical == canonical_iss(mine.fhir_base):
            raise ValidationError("This is the FHIR address above. Only further spellings belong here.")
        self.instance.canonical_iss = canonical
        return spelling


def _vendors(row: EhrConnection) -> list[tuple[str, str]]:
    """Test servers are offered where loopback partners are, and where the row has one already."""
    listed = [
        (one.vendor, f"{one.title} (cannot be connected)" if one.refusal else one.title)
        for one in presets.PRESETS.values()
        if one.vendor != "sandbox" or settings.ALLOW_LOOPBACK_PARTNERS or row.vendor == "sandbox"
    ]
    known = {vendor for vendor, _ in listed}
    return listed if not row.pk or row.vendor in known else [*listed, (row.vendor, row.vendor)]


def free_iss(address: str, *, besides: int | None) -> str:
    """The canonical form of an address by which no other EHR is known, of whatever organization."""
    try:
        canonical = canonical_iss(address)
    except BadIssuer as problem:
        raise ValidationError("Not an address that a launch may come from: https, a host name, no query.") from problem
    if _is_taken("SELECT pk FROM ehrc_connection_by_iss(%s)", canonical, besides):
        raise ValidationError("This address is registered already. One connection answers for one EHR.")
    return canonical


def _is_taken(question: str, value: str, besides: int | None) -> bool:
    """Also by an organization whose rows cannot be seen from here."""
    with connection.cursor() as cursor:
        cursor.execute(question, [value])
        return any(row[0] != besides for row in cursor.fetchall())
