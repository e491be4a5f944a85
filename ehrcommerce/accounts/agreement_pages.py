"""Back office: the registry of agreements. A draft is written, put in force by a second step that demands what the law
wants to be known, and ended; what is in force is not rewritten."""

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ehrcommerce.accounts import agreements
from ehrcommerce.accounts.backoffice import PRIVACY, BackOffice, staff_of
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.models import ORGANIZATION, Agreement, AgreementState, Service
from ehrcommerce.accounts.otp import site

if TYPE_CHECKING:
    _Form = forms.ModelForm[Agreement]
else:
    _Form = forms.ModelForm

ENDS_SOON = timedelta(days=max(agreements.WARN_DAYS))
PARTY = re.compile(r"organization|(ehr|supplier):[0-9a-f-]{36}|processor:[a-z0-9_-]{1,40}")


class AgreementForm(_Form):
    """Services are ticked, parties and hashes have one spelling."""

    services = forms.MultipleChoiceField(
        choices=Service.choices, widget=forms.CheckboxSelectMultiple, required=False,
        help_text="What the signed document covers. What is not ticked is refused.",
    )  # fmt: skip

    class Meta:
        model = Agreement
        fields = (
            "party", "party_name", "party_role", "services", "document", "document_sha256", "effective", "expires",
            "signed_off_by", "breach_contact", "subprocessors",
        )  # fmt: skip

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.initial["services"] = [one for one in self.instance.services.split(",") if one]

    def clean_services(self) -> str:
        return ",".join(self.cleaned_data["services"])

    def clean_party(self) -> str:
        party = str(self.cleaned_data["party"]).strip()
        if not PARTY.fullmatch(party):
            raise forms.ValidationError("Use organization, ehr:<id>, supplier:<id>, or processor:<name>.")
        return party

    def clean_document_sha256(self) -> str:
        digest = str(self.cleaned_data["document_sha256"]).strip().lower()
        if digest and not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise forms.ValidationError("64 characters of 0-9 and a-f, as sha256sum prints them.")
        return digest


@admin.register(Agreement, site=site)
class AgreementAdmin(BackOffice):
    """Nothing goes to a party without an agreement that is in force on that day and covers what it does."""

    form = AgreementForm
    list_display = ["party_name", "covers", "document", "effective", "expires", "state", "in_force"]
    list_filter = ["state"]
    ordering = ["expires", "party_name"]
    search_fields = ["party_name", "=party"]
    readonly_fields = ["state"]
    actions = ["put_in_force", "end"]

    @admin.display(boolean=True, description="in force")
    def in_force(self, agreement: Agreement) -> bool:
        return agreement.live(timezone.now().date())

    @admin.display(description="covers")
    def covers(self, agreement: Agreement) -> str:
        return agreement.services.replace(",", ", ") or "nothing"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*AgreementForm.Meta.fields, "state"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who the parties are and what they signed stays as it was signed; a new document is a new row."""
        if obj is None or obj.state == AgreementState.DRAFT:
            return ["state"]
        return [name for name in self.get_fields(request, obj) if name not in ("breach_contact", "subprocessors")]

    @admin.action(description="Put in force (drafts)", permissions=["change"])
    def put_in_force(self, request: HttpRequest, rows: "QuerySet[Agreement]") -> None:
        for row in rows[:50]:
            try:
                agreements.activate(row, by=staff_of(request).actor, at=timezone.now())
            except agreements.NotComplete as problem:
                lacks = ", ".join(name.replace("_", " ") for name in problem.fields)
                self.message_user(request, f"{row.party_name}: still to be filled in: {lacks}.", messages.ERROR)
            except agreements.NotInState:
                self.message_user(request, f"{row.party_name}: only a draft is put in force.", messages.WARNING)
            else:
                self.message_user(request, f"{row.party_name}: in force.", messages.SUCCESS)

    @admin.action(description="End now: nothing is sent there any more", permissions=["change"])
    def end(self, request: HttpRequest, rows: "QuerySet[Agreement]") -> None:
        for row in rows[:50]:
            try:
                agreements.end(row, by=staff_of(request).actor, at=timezone.now())
            except agreements.NotInState:
                self.message_user(request, f"{row.party_name}: has ended before.", messages.WARNING)
            else:
                self.message_user(request, f"{row.party_name}: ended.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Agreement, form: "ModelForm[Any]", change: bool) -> None:
        if "expires" in form.changed_data:
            agreements.forget_warnings(obj)
        super().save_model(request, obj, form, change)


@panel(30, PRIVACY)
def agreements_that_end() -> Panel:
    """What ends within 60 days, what has ended and was not replaced, and the clinic's own if there is none."""
    today = timezone.now().date()
    in_force = Agreement.objects.filter(state=AgreementState.ACTIVE, effective__lte=today)
    later = in_force.filter(Q(expires=None) | Q(expires__gt=today + ENDS_SOON)).values("party")
    ending = Agreement.objects.filter(
        state__in=(AgreementState.ACTIVE, AgreementState.EXPIRED), expires__lte=today + ENDS_SOON
    ).exclude(party__in=later).order_by("expires")  # fmt: skip
    lines = [
        Line(each.party_name, _end_of(each, today), reverse("admin:accounts_agreement_change", args=[each.pk]))
        for each in ending[:SHOWN]
    ]
    if not in_force.filter(Q(expires=None) | Q(expires__gte=today), party=ORGANIZATION).exists():
        address = f"{reverse('admin:accounts_agreement_add')}?party={ORGANIZATION}"
        lines.insert(0, Line("The clinic itself", "has no agreement in force: nothing is read or sent", address))
    return Panel(
        "Agreements that end",
        f"None ends within {ENDS_SOON.days} days.",
        lines,
        reverse("admin:accounts_agreement_changelist"),
        urgent=True,
    )


def _end_of(agreement: Agreement, today: date) -> str:
    if agreement.expires is None:
        return "has no end"
    if agreement.expires < today or agreement.state == AgreementState.EXPIRED:
        return "ended: nothing is sent there"
    left = (agreement.expires - today).days
    return f"ends {agreement.expires:%-d %b %Y}, in {left} days"
