"""Back office: what waits for a second person, and what was forced open and waits for its review."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join

from ehrcommerce.accounts import approvals, glass
from ehrcommerce.accounts.backoffice import INTEGRATION, PRIVACY, ReadOnly, glass_is_broken, staff_of
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.models import BreakGlass, ProposalState, ProposedChange
from ehrcommerce.accounts.otp import site


@admin.register(ProposedChange, site=site)
class ProposedChangeAdmin(ReadOnly):
    """What one person wants; another one of the same right approves or refuses."""

    may_view = INTEGRATION | PRIVACY
    list_display = ["what", "about", "state", "proposed_by", "proposed_at", "expires_at", "decided_by"]
    list_select_related = ["proposed_by", "decided_by"]
    list_filter = ["state"]
    ordering = ["-id"]
    fields = [
        "what",
        "entity",
        "state",
        "lines",
        ("proposed_by", "proposed_at", "expires_at"),
        ("decided_by", "decided_at"),
    ]
    readonly_fields = ["what", "lines"]
    change_form_template = "admin/accounts/proposedchange/change_form.html"

    @admin.display(description="what", ordering="kind")
    def what(self, change: ProposedChange) -> str:
        kind = approvals.KINDS.get(change.kind)
        return kind.title if kind else change.kind

    @admin.display(description="of")
    def about(self, change: ProposedChange) -> str:
        """The beginning of a name that may be long; the page of the row has all of it."""
        return change.entity if len(change.entity) <= 24 else f"{change.entity[:20]}\N{HORIZONTAL ELLIPSIS}"

    @admin.display(description="from, to")
    def lines(self, change: ProposedChange) -> str:
        return format_html_join("", "<div>{}: {} &rarr; <strong>{}</strong></div>", change.diff) or "-"

    def name_of(self, row: ProposedChange) -> str:
        return f"{self.what(row)} ({row.get_state_display()})"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        mine = [
            path("<int:pk>/approve/", view(self.approve), name="accounts_proposedchange_approve"),
            path("<int:pk>/refuse/", view(self.refuse), name="accounts_proposedchange_refuse"),
            path("propose/", view(self.propose), name="accounts_proposedchange_propose"),
        ]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        change = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if change is not None:
            user, kind = staff_of(request), approvals.KINDS.get(change.kind)
            may = kind is not None and user.role in kind.roles and not glass_is_broken(request)
            waits = change.state == ProposalState.OPEN
            other = change.proposed_by_id != user.pk
            review = kind is not None and kind.review
            # What was done already is not judged by whoever did it.
            context |= {"may_refuse": may and waits and (other or not review), "may_approve": may and waits and other}
            context |= {"review": review, "mine": may and waits and not other}
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        user = staff_of(request)
        approvals.expire(organization_id=user.organization_id, at=timezone.now())
        acts = {} if glass_is_broken(request) else approvals.acts_of(user)
        return super().changelist_view(request, {"acts": acts, **(extra_context or {})})

    def approve(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._decide(request, pk, approvals.approve, "Approved, and done.")

    def refuse(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._decide(request, pk, approvals.refuse, "Refused. Nothing was changed.")

    def _decide(self, request: HttpRequest, pk: int, verb: Any, said: str) -> HttpResponse:
        if not self.has_view_permission(request) or glass_is_broken(request):
            raise PermissionDenied
        change = get_object_or_404(ProposedChange, pk=pk)
        kind = approvals.KINDS.get(change.kind)
        if kind is None or staff_of(request).role not in kind.roles:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            verb(change=change, by=staff_of(request), at=timezone.now())
            self.message_user(request, said, messages.SUCCESS)
        except approvals.ApprovalProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:accounts_proposedchange_change", args=[pk]))

    def propose(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """An act of a command or a page (keys, export, purge): it runs once another person approved it."""
        user, kind = staff_of(request), str(request.POST.get("kind", ""))
        acts = approvals.acts_of(user)
        if not acts or glass_is_broken(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if kind in acts:
            try:
                about = str(request.POST.get("about", ""))[:80]
                approvals.propose_act(kind=kind, about=about, by=user, at=timezone.now())
                self.message_user(request, "Proposed. Another person of the same right approves it.", messages.SUCCESS)
            except approvals.ApprovalProblem as problem:
                self.message_user(request, str(type(problem).__doc__), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:accounts_proposedchange_changelist"))


@admin.register(BreakGlass, site=site)
class BreakGlassAdmin(ReadOnly):
    """Who went past their role, when and why; the note is shown to reviewers on the page of the row."""

    may_view = PRIVACY
    list_display = ["user", "began_at", "reason", "told", "reviewed_by", "reviewed_at", "verdict"]
    list_select_related = ["user", "told", "reviewed_by"]
    ordering = ["-id"]
    fields = [("user", "reason"), "said", ("began_at", "ends_at", "told"), ("reviewed_by", "reviewed_at", "verdict")]
    readonly_fields = ["said"]
    change_form_template = "admin/accounts/breakglass/change_form.html"

    @admin.display(description="in their words")
    def said(self, row: BreakGlass) -> str:
        return str(row.note)

    def name_of(self, row: BreakGlass) -> str:
        return f"of {row.user}"

    def get_urls(self) -> list[Any]:
        review = self.admin_site.admin_view(self.review)
        return [path("<int:pk>/review/", review, name="accounts_breakglass_review"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None:
            may = row.reviewed_at is None and row.user_id != staff_of(request).pk and not glass_is_broken(request)
            context |= {"may_review": may, "verdicts": glass.VERDICTS}
        return super().change_view(request, object_id, form_url, context)

    def review(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_view_permission(request) or glass_is_broken(request):
            raise PermissionDenied
        row = get_object_or_404(BreakGlass, pk=pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            glass.review(
                glass=row, verdict=str(request.POST.get("verdict", "")), by=staff_of(request), at=timezone.now()
            )
            self.message_user(request, "Reviewed.", messages.SUCCESS)
        except glass.GlassProblem as problem:
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:accounts_breakglass_change", args=[pk]))


@panel(5, INTEGRATION)
def second_person() -> Panel:
    waiting = ProposedChange.objects.filter(state=ProposalState.OPEN).select_related("proposed_by").order_by("-pk")
    lines = [
        Line(approvals.KINDS[each.kind].title, f"proposed by {each.proposed_by}, until {each.expires_at:%-d %b}",
             reverse("admin:accounts_proposedchange_change", args=[each.pk]))
        for each in waiting[:SHOWN] if each.kind in approvals.KINDS
    ]  # fmt: skip
    more = reverse("admin:accounts_proposedchange_changelist")
    return Panel("Waits for a second person", "Nothing waits.", lines, more, urgent=True)
