"""Back office: EHR connections, their knobs, and the launches that came of them. Tokens and ids are never shown."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.http import HttpRequest

from ehrcommerce.accounts.backoffice import INTEGRATION, PRIVACY, BackOffice, ReadOnly
from ehrcommerce.accounts.footing import footing_of
from ehrcommerce.accounts.otp import site
from ehrcommerce.ehr.errors import BadIssuer
from ehrcommerce.ehr.issuers import canonical_iss
from ehrcommerce.ehr.models import EhrConnection, EhrSession

if TYPE_CHECKING:
    _ConnectionForm = forms.ModelForm[EhrConnection]
else:
    _ConnectionForm = forms.ModelForm


class ConnectionForm(_ConnectionForm):
    new_client_secret = forms.CharField(
        required=False,
        strip=True,
        label="New client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Only where the EHR gave one. Never shown again. Empty: it stays as it is.",
    )

    class Meta:
        model = EhrConnection
        fields = (
            "name",
            "slug",
            "vendor",
            "enabled",
            "owner_contact",
            "fhir_base",
            "client_id",
            "client_auth",
            "assertion_alg",
            "oidc_issuer",
            "jwks_uri",
            "id_token_algs",
            "nonce_policy",
            "scope_dialect",
            "extra_origins",
            "frame_origins",
            "honors_elements",
            "honors_include",
            "backend_services",
            "write_back",
            "read_s",
        )
        widgets = {
            "client_id": forms.TextInput(attrs={"class": "vTextField"}),
            "extra_origins": forms.Textarea(attrs={"rows": 2, "cols": 40}),
            "frame_origins": forms.Textarea(attrs={"rows": 2, "cols": 40}),
        }
        labels = {
            "slug": "Short name",
            "fhir_base": "FHIR address",
            "client_id": "Client id",
            "client_auth": "How we prove who we are",
            "assertion_alg": "Signature",
            "oidc_issuer": "Issuer of sign-ins",
            "jwks_uri": "Address of its keys",
            "id_token_algs": "Its signatures",
            "nonce_policy": "Nonce",
            "scope_dialect": "Scopes",
            "honors_elements": "Honors _elements",
            "honors_include": "Honors _include",
            "backend_services": "May be read when no clinician is present",
            "write_back": "Report to the chart",
            "read_s": "Patience in seconds",
        }
        help_texts = {
            "client_id": "As the EHR registered us.",
            "vendor": "epic, cerner, athena, sandbox ... or generic.",
            "backend_services": "Needed to check an order before it is sent. Without it nothing is dispatched.",
            "write_back": "A Task in the chart follows each purchase.",
            "honors_elements": "Off: whole resources are read, and cut here.",
            "honors_include": "Off: medications are read one by one.",
            "scope_dialect": "v2: patient/Patient.r, v1: patient/Patient.read.",
        }

    def clean_fhir_base(self) -> str:
        base = str(self.cleaned_data["fhir_base"])
        try:
            canonical = canonical_iss(base)
        except BadIssuer as problem:
            raise forms.ValidationError(
                "Not an address that a launch may come from: https, a host name, no query."
            ) from problem
        if self._is_taken("SELECT pk FROM ehrc_connection_by_iss(%s)", canonical):
            raise forms.ValidationError("This address is registered already. One connection answers for one EHR.")
        self.instance.canonical_iss = canonical
        return base

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if self._is_taken("SELECT pk FROM ehrc_connection_by_slug(%s)", slug):
            raise forms.ValidationError("This short name is taken. Choose another.")
        return slug

    def _is_taken(self, question: str, value: str) -> bool:
        """Also by an organization whose rows cannot be seen from here."""
        with connection.cursor() as cursor:
            cursor.execute(question, [value])
            return any(row[0] != self.instance.pk for row in cursor.fetchall())

    def save(self, commit: bool = True) -> Any:
        row = super().save(commit=False)
        if self.cleaned_data["new_client_secret"]:
            row.client_secret = self.cleaned_data["new_client_secret"]
        if commit:
            row.save()
        return row


@admin.register(EhrConnection, site=site)
class EhrConnectionAdmin(BackOffice):
    may_change = INTEGRATION
    form = ConnectionForm
    list_display = ["name", "vendor", "fhir_base", "enabled", "backend_services", "write_back", "agreement"]
    ordering = ["name"]
    readonly_fields = ["agreement", "register"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        secret = ["new_client_secret"] if self.has_change_permission(request) else []
        return [
            (None, {"fields": [("name", "slug", "vendor"), ("enabled", "owner_contact"), "agreement"]}),
            ("Address and registration", {
                "fields": ["fhir_base", "client_id", ("client_auth", "assertion_alg"), *secret, "register"],
            }),
            ("Sign-in", {"fields": [("oidc_issuer", "jwks_uri"), ("id_token_algs", "nonce_policy", "scope_dialect")]}),
            ("Where its pages are", {"fields": [("frame_origins", "extra_origins")]}),
            ("What it can do", {
                "fields": [("backend_services", "write_back"), ("honors_elements", "honors_include"), "read_s"],
            }),
        ]  # fmt: skip

    @admin.display(description="agreement")
    def agreement(self, row: EhrConnection) -> str:
        return footing_of(row.party, row.name) if row.pk else "Save first."

    @admin.display(description="register there")
    def register(self, row: EhrConnection) -> str:
        """What the EHR's own form asks for, to be copied."""
        if not row.pk:
            return "Save first: the short name is part of the redirect address."
        base = settings.CLINIC_URL
        return (
            f"launch {base}/ehr/launch , redirect {base}/ehr/callback/{row.slug}/ , keys {base}/.well-known/jwks.json"
        )


@admin.register(EhrSession, site=site)
class EhrSessionAdmin(ReadOnly):
    """Launches: who, from where, when. Which patient is not here."""

    may_view = INTEGRATION | PRIVACY
    list_display = ["public_id", "user", "connection", "started_at", "seen_at", "ended_at"]
    list_select_related = ["user", "connection"]
    list_filter = ["connection"]
    ordering = ["-id"]
    fields = ["public_id", ("user", "connection"), "scope", ("started_at", "seen_at", "ends_at", "ended_at")]
    readonly_fields = ["public_id"]
