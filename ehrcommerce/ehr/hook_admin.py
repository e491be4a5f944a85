"""Back office: which EHR may call for cards (CDS Hooks), and whose signature it carries. Switching it on, and every change
of it while it is on, needs a second person."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import INTEGRATION
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier
from ehrcommerce.ehr import discovery, knob_rules
from ehrcommerce.ehr.cds_hooks import SERVICES
from ehrcommerce.ehr.models import HookClient

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[HookClient]
else:
    _ModelForm = forms.ModelForm

GUARDED = frozenset({"hooks", "issuer", "jku", "algs", "tenant"})
approvals.register(
    "hook_client", approvals.Kind("Which EHR may show cards", INTEGRATION, applier(HookClient, "enabled", GUARDED))
)


class HookClientForm(_ModelForm):
    """Each value by the rule of its kind; the sentence of a refusal is for the person at the form."""

    class Meta:
        model = HookClient
        fields = ("connection", "enabled", "hooks", "issuer", "jku", "algs", "tenant")
        labels = {
            "hooks": "Services", "issuer": "Issuer of its calls", "jku": "Address of its keys", "algs": "Signatures",
            "enabled": "Answer its calls",
        }  # fmt: skip

    def clean_hooks(self) -> str:
        listed = list(dict.fromkeys(self.cleaned_data["hooks"].split()))
        if not listed or not set(listed) <= set(SERVICES):
            raise ValidationError(f"Some of these, with spaces between: {', '.join(SERVICES)}.")
        return " ".join(listed)

    def clean_algs(self) -> str:
        return knob_rules.algorithms(self.cleaned_data["algs"])

    def clean_issuer(self) -> str:
        return knob_rules.address(self.cleaned_data["issuer"])

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        connection = given.get("connection") or (self.instance.connection if self.instance.pk else None)
        if connection and given.get("jku") and not discovery.is_registered(connection, given["jku"]):
            self.add_error(
                "jku", "Not an https address on an origin of this connection. Add it to its further origins first."
            )
        return given


@admin.register(HookClient, site=site)
class HookClientAdmin(TwoPeople):
    kind, switch, guarded = "hook_client", "enabled", GUARDED
    may_change = INTEGRATION
    form = HookClientForm
    list_display = ["connection", "hooks", "issuer", "enabled"]
    list_select_related = ["connection"]
    ordering = ["connection__name"]
    readonly_fields = ["address"]
    fields = ["connection", "enabled", "hooks", "issuer", "jku", "algs", "tenant", "address"]

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        """A row stays with its connection."""
        return [*super().get_readonly_fields(request, obj), *(["connection"] if obj is not None else [])]

    @admin.display(description="address to register")
    def address(self, row: HookClient) -> str:
        """What the EHR's form for CDS services asks."""
        if not row.pk:
            return "Save first."
        return format_html("<code>{}/hooks/cds/{}</code>", settings.CLINIC_URL, row.connection.slug)
