"""Back office: the outside parties. Secrets go in and never come out."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import INTEGRATION
from ehrcommerce.accounts.footing import footing_of
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier
from ehrcommerce.suppliers.models import Supplier

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

    class Meta:
        model = Supplier
        fields = (
            "name",
            "port",
            "active",
            "phone",
            "adapter",
            "base_url",
            "ca_file",
            "client_certificate",
            "licensed_states",
            "needs_birth_date",
        )
        labels = {"base_url": "Address", "port": "What it does for us", "ca_file": "CA file"}
        help_texts = {
            "adapter": "Name of a module in suppliers/adapters: how we speak with it.",
            "base_url": "The root of its interface, https://...",
            "phone": "Shown to patients.",
        }

    def save(self, commit: bool = True) -> Any:
        supplier = super().save(commit=False)
        if self.cleaned_data["new_api_key"]:
            supplier.api_key = self.cleaned_data["new_api_key"]
        if self.cleaned_data["new_callback_secret"]:
            supplier.previous_callback_secret = supplier.callback_secret
            supplier.callback_secret = self.cleaned_data["new_callback_secret"]
        if commit:
            supplier.save()
        return supplier


# Where it is reached, by whose code, with which secrets, and what it is told.
GUARDED = frozenset({
    "port", "adapter", "base_url", "ca_file", "client_certificate", "needs_birth_date", "api_key", "callback_secret",
    "previous_callback_secret",
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
    list_display = ["name", "port", "base_url", "active", "agreement"]
    list_filter = ["port", "active"]
    ordering = ["port", "name"]
    readonly_fields = ["agreement"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        secrets = ["new_api_key", "new_callback_secret"] if self.has_change_permission(request) else []
        return [
            (None, {"fields": [("name", "phone"), ("port", "active"), "agreement"]}),
            ("How it is reached", {"fields": ["base_url", ("adapter", "ca_file", "client_certificate"), *secrets]}),
            ("Rules", {"fields": ["licensed_states", "needs_birth_date"]}),
        ]

    @admin.display(description="agreement")
    def agreement(self, supplier: Supplier) -> str:
        return footing_of(supplier.party, supplier.name) if supplier.pk else "Save first."
