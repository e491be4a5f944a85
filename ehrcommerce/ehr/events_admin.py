"""Back office: what EHRs tell us, by which address, what was missing, and how far we looked ourselves. No id of a person
or an order stands here, and no secret comes out."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ehrcommerce.accounts.backoffice import INTEGRATION, BackOffice, ReadOnly, staff_of
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import services as audit
from ehrcommerce.ehr import polling, silence, subscriptions
from ehrcommerce.ehr.models import Notification, PollingWatermark, Scheme, Subscription
from ehrcommerce.suppliers.client_certificates import fingerprints

if TYPE_CHECKING:
    _SubscriptionForm = forms.ModelForm[Subscription]
    _WatermarkForm = forms.ModelForm[PollingWatermark]
else:
    _SubscriptionForm = _WatermarkForm = forms.ModelForm

LEAST = 16
TOLD = [*["Patient", "MedicationRequest", "DeviceRequest", "ServiceRequest"]]


class SubscriptionForm(_SubscriptionForm):
    new_secret = forms.CharField(
        required=False, strip=True, widget=forms.PasswordInput(attrs={"autocomplete": "off"}), label="New secret",
        help_text="Which the EHR sends or signs with. The one before goes on to work. Never shown again. Empty: it stays.",
    )  # fmt: skip
    drop_previous = forms.BooleanField(required=False, label="The secret before it is over")

    class Meta:
        model = Subscription
        fields = ("connection", "scheme", "enabled", "managed", "reference", "topic", "resource_types", "header_name", "counted",
                  "heartbeat_s", "quiet_after_s", "news_hours", "client_certificates")  # fmt: skip
        labels = {
            "reference": "What the EHR calls it", "managed": "Made and looked after at the EHR",
            "resource_types": "Types that it may name", "header_name": "Secret header",
            "counted": "Its event numbers form a row", "heartbeat_s": "Heartbeat in seconds",
            "quiet_after_s": "No news is an alert after, in seconds", "news_hours": "Hours that bring news",
            "client_certificates": "Certificates of the sender",
        }  # fmt: skip

    def clean_new_secret(self) -> str:
        said: str = self.cleaned_data["new_secret"]
        if said and len(said) < LEAST:
            raise ValidationError(f"A secret has at least {LEAST} characters.")
        return said

    def clean_news_hours(self) -> str:
        said: str = self.cleaned_data["news_hours"].strip().lower()
        try:
            silence.hours(said)
        except ValueError as problem:
            raise ValidationError(str(problem)) from problem
        return said

    def clean_client_certificates(self) -> str:
        found = fingerprints(str(self.cleaned_data["client_certificates"]))
        if any(re.fullmatch(r"[0-9a-f]{64}", one) is None for one in found):
            raise ValidationError("SHA-256 fingerprints: 64 hexadecimal digits each, comma separated.")
        return ",".join(found)

    def clean_resource_types(self) -> str:
        names = str(self.cleaned_data["resource_types"]).split()
        if not names or set(names) - set(TOLD):
            raise ValidationError(f"One or more of: {' '.join(TOLD)}.")
        return " ".join(dict.fromkeys(names))

    def clean(self) -> dict[str, Any] | None:
        """Only where the EHR has Subscriptions as resources, and knows what is asked for."""
        said = super().clean() or self.cleaned_data
        proved = said.get("new_secret") or said.get("client_certificates") or self.instance.secret
        if not proved and "new_secret" in said and "client_certificates" in said:
            raise ValidationError({"new_secret": "Without a secret or a certificate nobody is let in."})
        if said.get("managed") and (said.get("scheme") not in subscriptions.MADE_BY_US or not said.get("topic")):
            raise ValidationError("The app can make FHIR subscriptions only, and needs a topic (or a search) for them.")
        return said

    def save(self, commit: bool = True) -> Subscription:
        row = super().save(commit=False)
        if self.cleaned_data["new_secret"]:
            row.previous_secret, row.secret = row.secret, self.cleaned_data["new_secret"]
        if self.cleaned_data["drop_previous"]:
            row.previous_secret = ""
        if row.scheme == Scheme.ATHENA:
            row.counted = False  # its numbers begin anew with each notification
        if row._state.adding:
            row.created_at = timezone.now()
        if commit:
            row.save()
        return row


@admin.register(Subscription, site=site)
class SubscriptionAdmin(BackOffice):
    may_change = INTEGRATION
    form = SubscriptionForm
    list_display = ["connection", "scheme", "state", "enabled", "heard_at", "gaps", "resets", "refused", "dropped"]
    list_filter = ["connection", "state", "scheme"]
    list_select_related = ["connection"]
    ordering = ["connection", "pk"]
    readonly_fields = ["address", "state", "heard_at", "gaps", "gap_since", "resets", "refused", "dropped"]
    actions = ["look_now"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = [*SubscriptionForm.Meta.fields]
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        secrets = [("Secret", {"fields": ["new_secret", *(["drop_previous"] if obj else [])]})] if may else []
        shown = [("What was heard", {"fields": self.readonly_fields})] if obj else []
        return [(None, {"fields": asked}), *secrets, *shown]

    @admin.display(description="address for the EHR")
    def address(self, row: Subscription) -> str:
        return f"{settings.BASE_URL}{row.path}"

    @admin.action(description="Look at everything now", permissions=["change"])
    def look_now(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        """What changed, and each order that is offered or sold by its id."""
        at, found = timezone.now(), 0
        for row in rows.select_related("connection"):
            found += polling.sweep(row.connection, at=at)
            _tell(request, row, at)
        self.message_user(request, f"{found} orders are read again; what changed is looked for.")


def _tell(request: HttpRequest, row: Subscription, at: datetime) -> None:
    audit.record(
        organization_id=row.organization_id, by=staff_of(request).actor, action="subscription.looked", at=at,
        entity=f"subscription:{row.public_id}",
    )  # fmt: skip


@admin.register(Notification, site=site)
class NotificationAdmin(ReadOnly):
    """Events in: when, from whom, of which type, and whether they were dealt with."""

    list_display = ["received_at", "connection", "subscription", "resource_type", "state", "event_at", "done_at"]
    list_filter = ["state", "connection", "resource_type"]
    list_select_related = ["connection", "subscription"]
    ordering = ["-pk"]
    fields = ["received_at", "connection", "subscription", "resource_type", "state", "number", "event_at", "done_at"]


class WatermarkForm(_WatermarkForm):
    class Meta:
        model = PollingWatermark
        fields = ("connection", "resource_type", "enabled", "every_s", "overlap_s")
        labels = {"every_s": "Every, in seconds", "overlap_s": "Looks back, in seconds"}

    def clean_every_s(self) -> int:
        every_s: int = self.cleaned_data["every_s"]
        if every_s < 30:
            raise ValidationError("At least 30 seconds: an EHR is asked a search each time.")
        return every_s

    def save(self, commit: bool = True) -> PollingWatermark:
        row = super().save(commit=False)
        if row._state.adding:
            row.since_at = row.next_at = timezone.now()
        if commit:
            row.save()
        return row


@admin.register(PollingWatermark, site=site)
class PollingWatermarkAdmin(BackOffice):
    may_change = INTEGRATION
    form = WatermarkForm
    list_display = ["connection", "resource_type", "enabled", "every_s", "since_at", "polled_at", "failures", "code"]
    list_filter = ["connection", "enabled"]
    list_select_related = ["connection"]
    ordering = ["connection", "resource_type"]
    readonly_fields = ["since_at", "polled_at", "next_at", "failures", "code"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = [("How far", {"fields": self.readonly_fields})] if obj else []
        return [(None, {"fields": [*WatermarkForm.Meta.fields]}), *shown]
