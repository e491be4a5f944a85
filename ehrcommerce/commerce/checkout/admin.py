"""Back office: who has agreed to kits without asking each time. The clinic attests a yes that was given at its desk, with the
words that were read out, who heard it and on which day; and takes one back for a patient who says so. No row says who the
person is but by the audit's own name."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import PRIVACY, ReadOnly, glass_is_broken, staff_of
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import traces
from ehrcommerce.commerce.checkout import consents
from ehrcommerce.commerce.fulfillment import standing
from ehrcommerce.disclosure.models import Consent
from ehrcommerce.suppliers.models import Port, Supplier
from ehrcommerce.vault import walls

LANGUAGES = [("en", "English"), ("es", "Spanish")]


class AttestForm(forms.Form):
    """Whose yes, to which laboratory, in which words, heard on which day."""

    patient = forms.CharField(
        max_length=80, help_text="An order or offer of theirs: LK-7K3M9Q, order:<id or number> or offer:<id>.",
        widget=forms.TextInput(attrs={"size": 44, "autocomplete": "off"}),
    )  # fmt: skip
    laboratory = forms.ModelChoiceField(Supplier.objects.none(), empty_label=None)
    language = forms.ChoiceField(choices=LANGUAGES, help_text="In which of the words above.")
    on = forms.DateField(help_text="When they said it.", widget=forms.DateInput(attrs={"type": "date"}))
    heard = forms.BooleanField(label="I read these words to the patient, or they signed them, and they said yes.")

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        field = self.fields["laboratory"]
        field.queryset = laboratories()  # type: ignore[attr-defined]
        self.customer_key = ""

    def clean_patient(self) -> str:
        name = str(self.cleaned_data["patient"]).strip()
        try:
            found = traces.trace(walls.current() or 0, name if ":" in name else f"order:{name}")
        except traces.NotTraceable as problem:
            raise forms.ValidationError("Nothing is known by this name.") from problem
        self.customer_key = found.customer_key
        return name

    def clean_on(self) -> date:
        on: date = self.cleaned_data["on"]
        if on > timezone.localdate():
            raise forms.ValidationError("Today, or a day before.")
        return on


def laboratories() -> "QuerySet[Supplier]":
    return Supplier.objects.filter(port=Port.KIT, active=True).order_by("name")


def texts() -> list[tuple[str, str, consents.Recipient]]:
    """Each laboratory's words in each language, to read out."""
    found = []
    for supplier in laboratories():
        for code, name in LANGUAGES:
            with translation.override(code):
                found.append((code, f"{supplier.name}, {name}", consents.standing_words(supplier)))
    return found


@admin.register(Consent, site=site)
class StandingConsentAdmin(ReadOnly):
    may_view = PRIVACY
    list_display = ["known_as", "recipient_name", "given_at", "attested", "attested_on", "withdrawn_at"]
    ordering = ["-id"]
    fields = [
        "person", "recipient_name", ("given_at", "withdrawn_at"), ("attested", "attested_on"), "identity_level", "said_words",
    ]  # fmt: skip
    readonly_fields = ["person", "attested", "said_words"]
    change_list_template = "admin/disclosure/consent/change_list.html"
    actions = ["take_back"]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Standing ones alone: a yes to one order is seen in its receipts."""
        return super().get_queryset(request).filter(subject__regex="^[0-9a-f]{64}$")

    def name_of(self, row: Consent) -> str:
        return f"of person:{row.subject[:12]}"

    @admin.display(description="person")
    def known_as(self, row: Consent) -> str:
        return f"person:{row.subject[:12]}"

    @admin.display(description="person")
    def person(self, row: Consent) -> str:
        """The audit's name of them, and the way to all that it holds."""
        name = f"person:{row.subject}"
        address = reverse("admin:audit_auditevent_changelist")
        return format_html('{}&hellip; <a href="{}?patient={}">audit</a>', name[:19], address, name)

    @admin.display(description="attested by")
    def attested(self, row: Consent) -> str:
        kind, _, public_id = row.attested_by.partition(":")
        try:
            user = User.objects.filter(public_id=public_id).first() if kind == "user" else None
        except ValidationError:  # no account's id
            user = None
        return str(user or row.attested_by or "-")

    @admin.display(description="in these words")
    def said_words(self, row: Consent) -> str:
        return row.text.text

    def get_urls(self) -> list[Any]:
        asked = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self.attest))
        return [path("attest/", asked, name="disclosure_consent_attest"), *super().get_urls()]

    def attest(self, request: HttpRequest) -> HttpResponse:
        """GET shows the words and asks, POST records who attests it."""
        if not self.has_view_permission(request) or glass_is_broken(request):
            raise PermissionDenied
        form = AttestForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            self._record(request, form)
            return HttpResponseRedirect(reverse("admin:disclosure_consent_changelist"))
        context = {
            **self.admin_site.each_context(request), "title": "Attest a yes to kits without asking", "opts": self.opts,
            "form": form, "texts": texts(),
        }  # fmt: skip
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "admin/disclosure/consent/attest.html", context, status=status)

    def _record(self, request: HttpRequest, form: AttestForm) -> None:
        user, given = staff_of(request), form.cleaned_data
        with translation.override(given["language"]):
            shown = consents.standing_words(given["laboratory"])
        consents.record_standing(
            organization_id=user.organization_id, customer_key=form.customer_key, shown=shown, language=given["language"],
            identity_level=0, by=user.actor, at=timezone.now(), attested=(str(user.actor), given["on"]),
        )  # fmt: skip
        self.message_user(request, f"Recorded: {approvals.person(form.customer_key)[:19]} agrees to kits without asking.")

    def has_take_back_permission(self, request: HttpRequest) -> bool:
        return self._has(request, PRIVACY)

    @admin.action(description="Take back: the patient said so to the clinic (at most 10)", permissions=["take_back"])
    def take_back(self, request: HttpRequest, rows: "QuerySet[Consent]") -> None:
        taken = 0
        for row in Consent.objects.filter(pk__in=[one.pk for one in rows[:10]], withdrawn_at=None):
            taken += standing.take_back(
                organization_id=row.organization_id, customer_key=row.customer_key, recipient=row.recipient,
                by=staff_of(request).actor, at=timezone.now(), reason="told_the_clinic",
            )  # fmt: skip
        self.message_user(request, f"{taken} taken back. What had not left is stopped.")
