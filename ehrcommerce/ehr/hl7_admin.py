"""Back office: who may send HL7 v2 messages for an EHR. Switching a feed on, and every change of whom we believe while it is
on, needs a second person."""

import ipaddress
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import INTEGRATION
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier
from ehrcommerce.ehr import feeds, hl7v2
from ehrcommerce.ehr.models import Hl7Feed

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Hl7Feed]
else:
    _ModelForm = forms.ModelForm

GUARDED = frozenset({"senders", "certificates", "networks", "folder"})
approvals.register(
    "hl7_feed", approvals.Kind("Which sender of HL7 v2 is believed", INTEGRATION, applier(Hl7Feed, "enabled", GUARDED))
)


class Hl7FeedForm(_ModelForm):
    """Each value by the rule of its kind; the sentence of a refusal is for the person at the form."""

    class Meta:
        model = Hl7Feed
        fields = ("connection", "name", "enabled", "senders", "certificates", "networks", "folder", "order_id_at",
                  "patient_ids_are_fhir", "patient_authority", "charset", "processing_ids")  # fmt: skip
        labels = {
            "enabled": "Take its messages", "certificates": "Client certificates", "order_id_at": "FHIR id of an order",
            "patient_ids_are_fhir": "Patient ids are FHIR ids", "processing_ids": "Processing ids",
            "charset": "Character set",
        }  # fmt: skip
        widgets = {"senders": forms.Textarea(attrs={"rows": 3, "cols": 40})}

    def clean_senders(self) -> str:
        lines = [line.strip() for line in self.cleaned_data["senders"].splitlines() if line.strip()]
        if not lines or any(line.count("|") != 1 or not line.isascii() for line in lines):
            raise ValidationError("Application and facility with a | between, one sender a line: EPIC|MAIN.")
        return "\n".join(dict.fromkeys(lines))

    def clean_certificates(self) -> str:
        found = self.cleaned_data["certificates"].replace(":", "").replace(",", " ").lower().split()
        if any(len(one) != 64 or set(one) - set("0123456789abcdef") for one in found) or len(found) > 2:
            raise ValidationError("One or two SHA-256 fingerprints of 64 hexadecimal digits, with a space between.")
        return " ".join(found)

    def clean_networks(self) -> str:
        try:
            found = [ipaddress.ip_network(one) for one in self.cleaned_data["networks"].replace(",", " ").split()]
        except ValueError as problem:
            raise ValidationError("Addresses or networks as 10.1.2.3 or 10.1.2.0/28, with spaces between.") from problem
        if any(one.prefixlen < (16 if one.version == 4 else 48) for one in found):
            raise ValidationError("This network is too wide: half the world may not send for one clinic.")
        return " ".join(str(one) for one in found)

    def clean_order_id_at(self) -> str:
        said = str(self.cleaned_data["order_id_at"]).strip().upper()
        if said and hl7v2.place(said) is None:
            raise ValidationError("A segment, a field and maybe a component: ORC-2.1.")
        return said

    def clean_charset(self) -> str:
        said = str(self.cleaned_data["charset"]).strip()
        if said and said not in hl7v2.CHARSETS:
            raise ValidationError(f"One of: {', '.join(hl7v2.CHARSETS)}.")
        return said

    def clean_processing_ids(self) -> str:
        found = str(self.cleaned_data["processing_ids"]).upper().split()
        if not found or set(found) - {"P", "T", "D"}:
            raise ValidationError("Some of P, T and D, with spaces between.")
        return " ".join(dict.fromkeys(found))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        proofs = [given.get(name) for name in ("certificates", "networks", "folder")]
        if given.get("enabled") and not any(proofs):
            raise ValidationError("Say how the sender is known: by its client certificate, its network, or its folder.")
        return given


@admin.register(Hl7Feed, site=site)
class Hl7FeedAdmin(TwoPeople):
    kind, switch, guarded = "hl7_feed", "enabled", GUARDED
    may_change = INTEGRATION
    form = Hl7FeedForm
    list_display = ["name", "connection", "enabled", "heard", "state", "refused"]
    list_select_related = ["connection", "subscription"]
    ordering = ["name"]
    readonly_fields = ["heard", "state", "refused", "refused_of"]
    fieldsets = (
        (None, {"fields": ["connection", "name", "enabled"]}),
        ("Whom we believe", {"fields": ["senders", "certificates", "networks", "folder"]}),
        ("What its messages mean", {"fields": [
            "order_id_at", "patient_ids_are_fhir", "patient_authority", "charset", "processing_ids",
        ]}),
        ("What was heard", {"fields": ["heard", "state", "refused", "refused_of"]}),
    )  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fieldsets(request, obj)
        return shown if obj else shown[:3]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What was heard belongs to one EHR: another one gets a feed of its own."""
        return [*(["connection"] if obj else []), *super().get_readonly_fields(request, obj)]

    def save_model(self, request: HttpRequest, obj: Hl7Feed, form: Any, change: bool) -> None:
        if not change:
            obj.organization_id = obj.connection.organization_id
            feeds.subscribe(obj, timezone.now())
        super().save_model(request, obj, form, change)

    @admin.display(description="last heard")
    def heard(self, row: Hl7Feed) -> Any:
        return row.subscription.heard_at or "never"

    @admin.display(description="state")
    def state(self, row: Hl7Feed) -> str:
        return row.subscription.state

    @admin.display(description="refused, by kind")
    def refused_of(self, row: Hl7Feed) -> str:
        told = sorted(row.refused_kinds.items(), key=lambda one: -one[1])
        return ", ".join(f"{kind}: {count}" for kind, count in told) or "none"
