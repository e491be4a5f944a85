"""Back office: the outside parties. Secrets go in and never come out."""

from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import EVERYBODY, INTEGRATION, ReadOnly
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.footing import footing_of
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier
from ehrcommerce.suppliers import health
from ehrcommerce.suppliers.client_certificates import fingerprints
from ehrcommerce.suppliers.models import FileIn, Health, PartnerHealth, Supplier
from ehrcommerce.wire.client import allowed_host, tls_context

ADAPTERS = "ehrcommerce.suppliers.adapters"
FILES_SHOWN = timedelta(days=7)

if TYPE_CHECKING:
    _SupplierForm = forms.ModelForm[Supplier]
else:
    _SupplierForm = forms.ModelForm


class SupplierForm(_SupplierForm):
    new_api_key = forms.CharField(
        required=False, strip=True, label="New key", widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="By which the partner knows us. Never shown again. Empty: it stays as it is.",
    )  # fmt: skip
    new_callback_secret = forms.CharField(
        required=False,
        strip=True,
        label="New callback secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="With which the partner signs its callbacks; the one before goes on to work. Empty: it stays.",
    )

    new_client_pem = forms.CharField(
        required=False, label="New client certificate", widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off"}),
        help_text="Certificate and its key as PEM, by which we show who we are. Kept sealed, never shown again.",
    )  # fmt: skip

    class Meta:
        model = Supplier
        fields = (
            "name", "port", "active", "phone", "adapter", "base_url", "ca_file", "ca_pem", "client_certificate",
            "callback_certificates", "host_key", "account", "sender", "page_origin", "options", "at_once", "owner",
            "escalation", "runbook_url", "licensed_states", "needs_birth_date",
        )  # fmt: skip
        labels = {
            "base_url": "Address", "port": "What it does for us", "ca_file": "CA file", "ca_pem": "Its authority",
            "callback_certificates": "Certificates of its callbacks", "host_key": "SSH host key",
            "at_once": "Calls at once", "page_origin": "Payment page", "escalation": "Whom to call there",
            "runbook_url": "Runbook", "owner": "Who looks after it here",
        }  # fmt: skip
        help_texts = {
            "adapter": "Name of a module in suppliers/adapters: how we speak with it (docs/add-a-supplier.md).",
            "base_url": "The root of its interface: https://, sftp://, file://, smtp:// or smtps://.",
            "phone": "Shown to patients.",
            "ca_file": "A file on our machines; the pasted one below goes first.",
            "client_certificate": "A file on our machines; a pasted one goes first.",
            "ca_pem": "PEM. If given, no other authority is believed for this partner.",
            "callback_certificates": "SHA-256 of client certificates, comma separated; then no callback counts without.",
            "host_key": "As in known_hosts: ssh-ed25519 AAAA...",
            "account": "Login name, for SFTP and SMTP.",
            "sender": "E-mail address or number that messages come from.",
            "page_origin": "If its payment page has a domain of its own.",
            "options": "What the adapter lets be configured, as JSON.",
            "at_once": "More than that wait, so that a slow partner does not hold up the others.",
            "escalation": "Name and phone or address at the partner; shown where something is stuck.",
        }  # fmt: skip
        widgets = {"ca_pem": forms.Textarea(attrs={"rows": 4}), "options": forms.Textarea(attrs={"rows": 3})}

    def clean_adapter(self) -> str:
        name = str(self.cleaned_data["adapter"])
        if self.instance.pk and name == self.initial.get("adapter"):
            return name  # one that an update took away can still be switched off
        if name.startswith("_") or not name.isidentifier() or find_spec(f"{ADAPTERS}.{name}") is None:
            raise forms.ValidationError(f"There is no such adapter. There are: {', '.join(adapter_names())}.")
        return name

    def clean_base_url(self) -> str:
        address = str(self.cleaned_data["base_url"]).strip()
        parts = urlsplit(address)
        safe = ("https", "sftp", "file", "smtp", "smtps") + (("http",) if settings.ALLOW_LOOPBACK_PARTNERS else ())
        if parts.scheme not in safe or (parts.scheme != "file" and not parts.hostname):
            raise forms.ValidationError("An address that begins with https://, sftp://, file://, smtp:// or smtps://.")
        if not allowed_host(parts.hostname or "", settings.PARTNER_HOSTS):
            raise forms.ValidationError("This installation may not speak with that host (EHRC_PARTNER_HOSTS).")
        return address

    def clean_callback_certificates(self) -> str:
        found = fingerprints(str(self.cleaned_data["callback_certificates"]))
        if not all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in found):
            raise forms.ValidationError("Each is 64 hexadecimal digits, with or without colons.")
        return ", ".join(found)

    def clean_ca_pem(self) -> str:
        return self._readable("ca_pem", ca=True)

    def clean_new_client_pem(self) -> str:
        return self._readable("new_client_pem", ca=False)

    def _readable(self, name: str, *, ca: bool) -> str:
        """What cannot be loaded now would stop every call later."""
        pem = str(self.cleaned_data[name]).strip()
        if pem:
            try:
                tls_context(ca_pem=pem if ca else "", client_pem="" if ca else pem)
            except (OSError, ValueError):
                what = "certificates as PEM" if ca else "a certificate and its key as PEM, without a passphrase"
                raise forms.ValidationError(f"This does not hold {what}.") from None
        return pem and f"{pem}\n"

    def clean_options(self) -> Any:
        options = self.cleaned_data["options"] or {}
        if not isinstance(options, dict):
            raise forms.ValidationError('An object, like {"format": "json"}.')
        return options

    def save(self, commit: bool = True) -> Any:
        supplier = super().save(commit=False)
        if self.cleaned_data["new_api_key"]:
            supplier.api_key = self.cleaned_data["new_api_key"]
        if self.cleaned_data["new_callback_secret"]:
            supplier.previous_callback_secret = supplier.callback_secret
            supplier.callback_secret = self.cleaned_data["new_callback_secret"]
        if self.cleaned_data["new_client_pem"]:
            supplier.client_pem = self.cleaned_data["new_client_pem"]
        if commit:
            supplier.save()
        return supplier


def adapter_names() -> list[str]:
    return sorted(one.name for one in iter_modules(import_module(ADAPTERS).__path__) if one.name[0] != "_")


# Where it is reached, by whose code, with which secrets, and what it is told.
GUARDED = frozenset({
    "port", "adapter", "base_url", "ca_file", "client_certificate", "needs_birth_date", "api_key", "callback_secret",
    "previous_callback_secret", "ca_pem", "client_pem", "callback_certificates", "host_key", "account", "sender",
    "page_origin", "options",
})  # fmt: skip
approvals.register(
    "supplier", approvals.Kind("Where a supplier is reached", INTEGRATION, applier(Supplier, "active", GUARDED))
)


@admin.register(Supplier, site=site)
class SupplierAdmin(TwoPeople):
    """Whom we send orders to is decided by two people."""

    kind, switch, guarded = "supplier", "active", GUARDED
    may_change = INTEGRATION
    form = SupplierForm
    list_display = ["name", "port", "base_url", "active", "how_it_goes", "agreement"]
    list_filter = ["port", "active"]
    list_select_related = ["health"]
    ordering = ["port", "name"]
    readonly_fields = ["agreement", "how_it_goes", "our_certificate", "calls_us_at"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may = self.has_change_permission(request)
        keys = [("new_api_key", "new_callback_secret")] if may else []
        pems = ["new_client_pem"] if may else []
        return [
            (None, {"fields": [("name", "phone"), ("port", "active"), "agreement", "how_it_goes"]}),
            ("When it is in trouble", {"fields": [("owner", "escalation"), "runbook_url"]}),
            ("How it is reached", {"fields": ["base_url", ("adapter", "at_once"), *keys, "calls_us_at"]}),
            ("Certificates", {"classes": ["collapse"], "fields": [
                ("ca_file", "client_certificate"), "ca_pem", "our_certificate", *pems, "callback_certificates"]}),
            ("By kind of partner", {"classes": ["collapse"], "fields": [
                ("account", "sender"), "host_key", "page_origin", "options"]}),
            ("Rules", {"fields": ["licensed_states", "needs_birth_date"]}),
        ]  # fmt: skip

    @admin.display(description="how it goes")
    def how_it_goes(self, supplier: Supplier) -> str:
        health = getattr(supplier, "health", None)
        return said_of(health) if health else "Not called yet."

    @admin.display(description="it calls us at")
    def calls_us_at(self, supplier: Supplier) -> str:
        if not supplier.pk:
            return "Save first."
        return f"{settings.BASE_URL}{supplier.callback_path}" if supplier.callback_path else "It does not call us."

    @admin.display(description="our client certificate")
    def our_certificate(self, supplier: Supplier) -> str:
        return told_of_certificate(supplier.client_pem or "") if supplier.pk else "None."

    @admin.display(description="agreement")
    def agreement(self, supplier: Supplier) -> str:
        return footing_of(supplier.party, supplier.name) if supplier.pk else "Save first."


def said_of(health: PartnerHealth) -> str:
    """One sentence for a list and a page: what, why, since when."""
    since = f"{health.since:%Y-%m-%d %H:%M} UTC"
    if health.state == Health.OPEN:
        return f"Left alone since {since} ({health.code}); asked again every 15 s. Work for it waits, nothing is lost."
    return f"Calls fail since {since} ({health.code})." if health.state == Health.DEGRADED else "Well."


def told_of_certificate(pem: str) -> str:
    """What a pasted certificate says of itself; its key is not looked at."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return "None."
    ends = found.not_valid_after_utc
    return f"{found.subject.rfc4514_string()}, good until {ends:%Y-%m-%d}"


@panel(15, EVERYBODY)
def partners_in_trouble() -> Panel:
    lines = [
        Line(one.name, f"{said_of(one.health)} {whom_to_call(one)}".strip(),
             reverse("admin:suppliers_supplier_change", args=[one.pk]))
        for one in health.unwell(timezone.now())[:SHOWN]
    ]  # fmt: skip
    return Panel("Partners in trouble", "All partners answer.", lines, reverse("admin:suppliers_supplier_changelist"))


def whom_to_call(supplier: Supplier) -> str:
    """Who settles it, from the row: ours, theirs, and where it is written how."""
    told = (("Owner", supplier.owner), ("Call", supplier.escalation), ("Runbook", supplier.runbook_url))
    return " ".join(f"{what}: {value}." for what, value in told if value)


@admin.register(FileIn, site=site)
class FileInAdmin(ReadOnly):
    """Files from partners without an API: what was taken of each, and why not all."""

    list_display = ["at", "supplier", "name", "taken", "problem"]
    list_filter = ["supplier"]
    ordering = ["-id"]
    fields = ["at", "supplier", "name", "taken", "problem"]


@panel(16, EVERYBODY)
def files_with_problems() -> Panel:
    recent = FileIn.objects.exclude(problem="").filter(at__gt=timezone.now() - FILES_SHOWN).order_by("-pk")
    address = reverse("admin:suppliers_filein_changelist")
    lines = [Line(one.name, f"{one.supplier.name}: {one.problem}. {whom_to_call(one.supplier)}".strip(), address)
             for one in recent.select_related("supplier")[:SHOWN]]  # fmt: skip
    return Panel("Files of partners with mistakes", "None in a week.", lines, address)
