"""Back office: legal holds, which two people place and release, and the certificates of what was purged. Neither says who
the person is: by the audit's own name for them the privacy officer finds what happened."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import PRIVACY, ReadOnly, glass_is_broken, staff_of
from ehrcommerce.accounts.models import ProposedChange, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import traces
from ehrcommerce.disclosure import holds
from ehrcommerce.disclosure.models import LegalHold, PurgeCertificate
from ehrcommerce.vault import walls

PLACE, RELEASE = "legal_hold", "legal_hold_release"


def _place(change: ProposedChange, values: Mapping[str, Any], by: User, at: datetime) -> None:
    until = date.fromisoformat(values["until"]) if values["until"] else None
    holds.place(
        organization_id=change.organization_id, customer_key=values["customer_key"], why=values["why"], until=until,
        by=change.proposed_by.actor, at=at,
    )  # fmt: skip


def _release(change: ProposedChange, values: Mapping[str, Any], by: User, at: datetime) -> None:
    row_id = approvals.row_id(change)
    rows = LegalHold.objects.select_for_update().filter(public_id=row_id, released_at=None) if row_id else None
    hold = rows.first() if rows is not None else None
    if hold is None:
        raise approvals.RowChanged
    holds.release(hold, by=change.proposed_by.actor, at=at)


approvals.register(PLACE, approvals.Kind("Legal hold on one patient", approvals.GUARDIANS, _place))
approvals.register(RELEASE, approvals.Kind("End of a legal hold", approvals.GUARDIANS, _release))


class HoldForm(forms.Form):
    """Whose data, why and until when."""

    patient = forms.CharField(
        max_length=80, help_text="An order or offer of theirs: LK-7K3M9Q, order:<id or number> or offer:<id>.",
        widget=forms.TextInput(attrs={"size": 44, "autocomplete": "off"}),
    )  # fmt: skip
    why = forms.CharField(
        max_length=120, min_length=3, help_text="The case or the law, without a word about the person.",
        widget=forms.TextInput(attrs={"size": 60, "autocomplete": "off"}),
    )  # fmt: skip
    until = forms.DateField(
        required=False, help_text="2027-06-30. Empty: until two people end it.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip

    def clean_patient(self) -> str:
        """Their key, for the proposal's sealed payload alone."""
        name = str(self.cleaned_data["patient"]).strip()
        try:
            found = traces.trace(walls.current() or 0, name if ":" in name else f"order:{name}")
        except traces.NotTraceable as problem:
            raise forms.ValidationError("Nothing is known by this name.") from problem
        return found.customer_key

    def clean_until(self) -> date | None:
        until: date | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now().date():
            raise forms.ValidationError("A day that is still to come, or none.")
        return until


@admin.register(LegalHold, site=site)
class LegalHoldAdmin(ReadOnly):
    """While one stands, nothing of this person is erased, by no clock and by no wish."""

    may_view = PRIVACY
    list_display = ["known_as", "why", "stands", "placed_at", "until", "released_at"]
    ordering = ["-id"]
    fields = ["person", "why", ("placed", "placed_at", "until"), ("released", "released_at")]
    readonly_fields = ["person", "placed", "released"]
    change_list_template = "admin/disclosure/legalhold/change_list.html"
    change_form_template = "admin/disclosure/legalhold/change_form.html"

    @admin.display(description="person")
    def known_as(self, hold: LegalHold) -> str:
        return approvals.person(hold.customer_key)[:19]

    @admin.display(description="person")
    def person(self, hold: LegalHold) -> str:
        """The audit's name of them, and the way to all that it holds."""
        name = approvals.person(hold.customer_key)
        return format_html('{}&hellip; <a href="{}?patient={}">audit</a>', name[:19],
                           reverse("admin:audit_auditevent_changelist"), name)  # fmt: skip

    @admin.display(boolean=True, description="stands")
    def stands(self, hold: LegalHold) -> bool:
        in_time = hold.until is None or hold.until >= timezone.now().date()
        return hold.released_at is None and in_time

    @admin.display(description="placed by")
    def placed(self, hold: LegalHold) -> str:
        return _name_of(hold.placed_by)

    @admin.display(description="released by")
    def released(self, hold: LegalHold) -> str:
        return _name_of(hold.released_by) or "-"

    def name_of(self, row: LegalHold) -> str:
        return f"of {approvals.person(row.customer_key)[:19]}"

    def get_urls(self) -> list[Any]:
        def guard(view: Any) -> Any:
            return self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(view))

        mine = [
            path("place/", guard(self.place), name="disclosure_legalhold_place"),
            path("<int:pk>/release/", guard(self.release), name="disclosure_legalhold_release"),
        ]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        hold = self.get_object(request, object_id)
        may = hold is not None and hold.released_at is None and not glass_is_broken(request)
        return super().change_view(request, object_id, form_url, {"may_release": may, **(extra_context or {})})

    def place(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST proposes; another person lets it stand."""
        if not self.has_view_permission(request) or glass_is_broken(request):
            raise PermissionDenied
        form = HoldForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            until = given["until"].isoformat() if given["until"] else ""
            told = [("hold", "", given["why"]), ("until", "", until or "until two people end it"),
                    ("patient of", "", str(request.POST["patient"]).strip())]  # fmt: skip
            values = {"customer_key": given["patient"], "why": given["why"], "until": until}
            self._propose(request, PLACE, approvals.person(given["patient"]), values, told)
            return HttpResponseRedirect(reverse("admin:disclosure_legalhold_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Propose a legal hold",
            "opts": self.opts,
            "form": form,
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "admin/disclosure/legalhold/place.html", context, status=status)

    def release(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request) or glass_is_broken(request):
            raise PermissionDenied
        hold = get_object_or_404(LegalHold, pk=pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if hold.released_at is None:
            told = [("hold", hold.why, "ends"), ("person", "", approvals.person(hold.customer_key)[:19])]
            self._propose(request, RELEASE, f"hold:{hold.public_id}", {"release": True}, told)
        return HttpResponseRedirect(reverse("admin:disclosure_legalhold_change", args=[pk]))

    def _propose(
        self, request: HttpRequest, kind: str, entity: str, values: dict[str, Any], told: list[tuple[str, str, str]]
    ) -> None:
        try:
            approvals.propose(
                kind=kind, entity=entity, by=staff_of(request), at=timezone.now(), values=values, diff=told
            )
        except approvals.ApprovalProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
            return
        self.message_user(request, "Waits for a second person, under Proposed changes.", messages.WARNING)


@admin.register(PurgeCertificate, site=site)
class PurgeCertificateAdmin(ReadOnly):
    """What the jobs of retention erased: how many rows of which class, and when. Nothing of what stood in them."""

    may_view = PRIVACY
    list_display = ["at", "rule", "rows", "kept"]
    list_filter = ["rule"]
    ordering = ["-id"]
    fields = ["at", "rule", "rows", "kept", "public_id"]


def _name_of(actor: str) -> str:
    """Staff by name; anything else as the audit calls it."""
    kind, _, name = actor.partition(":")
    try:
        user = User.objects.filter(public_id=UUID(name)).first() if kind == "user" else None
    except ValueError:
        user = None
    return str(user) if user else actor
