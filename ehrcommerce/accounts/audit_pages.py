"""Back office: the audit, for the privacy officer. Searched by what the audit holds, one page after the other by key; the
search itself, each export and each accounting is an event."""

import re
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_http_methods

from ehrcommerce.accounts import accountings, approvals
from ehrcommerce.accounts.backoffice import PRIVACY, ReadOnly, staff_of
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import accounting, balp, search, traces
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.vault import walls

_Answer = TypeVar("_Answer", HttpResponse, StreamingHttpResponse)
SHOWN = 10
OUTCOMES = ("success", "failure", "refused", "security", "rejected", "needs_human")


class SearchForm(forms.Form):
    """What is asked of the audit; every field may stay empty."""

    q = forms.CharField(required=False, label="Any of these", help_text="Username, action, entity or recipient.")
    actor = forms.CharField(required=False, help_text="Username, or user:<id>, patient:<link id>, helper:<id>, supplier:<id>.")
    action = forms.CharField(required=False, help_text="chart.read, or consent. with a dot for all that begin so.")
    entity = forms.CharField(required=False, help_text="order:<id>, link:<id>, payment:<id> ...")
    patient = forms.CharField(required=False, help_text="Whose data: order:<id or number>, offer:<id> or person:<id>.")
    purpose = forms.CharField(required=False)
    recipient = forms.CharField(required=False, help_text="supplier:<id>, clinician, chart ...")
    outcome = forms.ChoiceField(required=False, choices=[("", "Any"), *((one, one) for one in OUTCOMES)])
    since = forms.DateTimeField(required=False, label="From (UTC)", help_text="2026-11-02 or 2026-11-02 15:00")
    until = forms.DateTimeField(required=False, label="Before (UTC)")
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def clean_patient(self) -> bytes:
        name = str(self.cleaned_data["patient"]).strip()
        if not name:
            return b""
        if re.fullmatch(r"person:[0-9a-f]{64}", name):  # the audit's own name of them, as pages of holds show it
            return bytes.fromhex(name.partition(":")[2])
        try:
            trace = traces.trace(walls.current() or 0, name if ":" in name else f"order:{name}")
        except traces.NotTraceable as problem:
            raise forms.ValidationError("Nothing is known by this name.") from problem
        return audit.patient_ref(trace.customer_key)

    def clean_actor(self) -> str:
        """A username finds what its user did."""
        return _actor_of(str(self.cleaned_data["actor"]).strip())

    def asked(self) -> search.Asked:
        """Raises ValueError where a field cannot be read."""
        if not self.is_valid():
            raise ValueError("the search form has errors")
        named = {name: self.cleaned_data[name] for name in search.Asked.__slots__}
        return search.Asked(**{name: value for name, value in named.items() if value})


def _actor_of(name: str) -> str:
    user = User.objects.filter(username=name).first() if name and ":" not in name else None
    return str(user.actor) if user else name


@admin.register(AuditEvent, site=site)
class AuditAdmin(ReadOnly):
    """Read-only by role, by form, by the database's own rights and by its trigger. Looking here is itself an event."""

    may_view = PRIVACY
    fields = [
        "at", "who", "actor", "action", "entity", "purpose", "recipient", "elements", "outcome", "reason", "cause",
        "seal_number",
    ]  # fmt: skip
    readonly_fields = ["who"]

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> str:
        return names_of([event]).get(event.actor, event.actor)

    def get_urls(self) -> list[URLPattern]:
        def guard(view: Any) -> Any:
            return self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(view))

        mine = [
            path("accounting/", guard(self.accounting_view), name="audit_accounting"),
            path("export/", guard(self.export_view), name="audit_export"),
            path("contact/", guard(self.contact_view), name="audit_contact"),
        ]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_view_permission(request):
            _looked(request, "audit.viewed", f"audit:{object_id}"[:80])
        return super().change_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The search page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        user, form = staff_of(request), SearchForm(request.GET)
        rows, asked = list[AuditEvent](), search.Asked()
        if form.is_valid():
            asked = form.asked()
            found = _any_of(search.found(user.organization_id, asked), str(form.cleaned_data["q"]).strip())
            rows = list(found[: search.PAGE + 1])
        _looked(request, "audit.searched", "audit", elements=[*asked.names(), *(["q"] if request.GET.get("q") else [])])
        more = len(rows) > search.PAGE
        rows = rows[: search.PAGE]
        names = names_of(rows)
        next_page = request.GET.copy()
        next_page["before"] = str(rows[-1].pk) if rows else ""
        context = {
            **self.admin_site.each_context(request), "title": "Audit log", "opts": self.opts, "form": form,
            "rows": [(row, names.get(row.actor, row.actor), _short(row.entity)) for row in rows],
            "older": next_page.urlencode() if more else "",
            "exports": [request.GET["since"], request.GET["until"]] if asked.since and asked.until else None,
            **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/audit/search.html", context, status=200 if form.is_valid() else 400)

    def accounting_view(self, request: HttpRequest) -> HttpResponse:
        """45 CFR 164.528 for one person, named by an order or offer of theirs; CSV or PDF."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        user, at, form = staff_of(request), timezone.now(), SearchForm({"patient": request.GET.get("patient", "")})
        if not request.GET.get("patient"):
            return HttpResponse("Name an order or offer of the patient.", status=400, content_type="text/plain")
        if not form.is_valid():
            return HttpResponse("Nothing is known by this name.", status=404, content_type="text/plain")
        patient = form.cleaned_data["patient"]
        as_pdf = request.GET.get("as") == "pdf"
        lines = accounting.lines(organization_id=user.organization_id, patient=patient, at=at)
        _looked(request, "accounting.made", "audit", reason="pdf" if as_pdf else "csv", patient=patient)
        if as_pdf:
            body, kind = accountings.as_pdf(user.organization, lines, at=at), "application/pdf"
        else:
            body, kind = accountings.as_csv(user.organization_id, lines), "text/csv; charset=utf-8"
        return _file(HttpResponse(body, content_type=kind), f"accounting.{'pdf' if as_pdf else 'csv'}")

    def contact_view(self, request: HttpRequest) -> HttpResponse:
        """A phone number or mail address is posted, so that it stands in no address and no log; the search goes on under
        the audit's own name of whoever is reached there."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user, contact = staff_of(request), str(request.POST.get("contact", ""))[:254]
        keys = traces.customers_at(user.organization_id, contact) if contact.strip() else []
        _looked(request, "audit.searched", "audit", elements=["contact"], reason=f"found:{len(keys)}")
        page = reverse("admin:audit_auditevent_changelist")
        found = [f"{page}?patient={approvals.person(key)}" for key in keys[:SHOWN]]
        if not found:
            self.message_user(request, "Nothing is held of anybody who is reached there.", messages.WARNING)
        elif len(found) > 1:
            links = format_html_join(", ", '<a href="{}">{}</a>', [(one, n) for n, one in enumerate(found, start=1)])
            said = format_html("{} people are reached there: {}.", len(keys), links)
            self.message_user(request, said, messages.WARNING)
        return HttpResponseRedirect(found[0] if len(found) == 1 else page)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """FHIR AuditEvent after IHE BALP, one a line, for the time that was searched. Everybody's at once: one of the two
        people who agreed to it presses, once."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user, form = staff_of(request), SearchForm(request.POST)
        if not form.is_valid() or not (form.cleaned_data["since"] and form.cleaned_data["until"]):
            return HttpResponse("Name both times: From and Before.", status=400, content_type="text/plain")
        since, until = form.cleaned_data["since"], form.cleaned_data["until"]
        try:
            with transaction.atomic():
                approvals.spend(
                    kind="bulk_export", entity=approvals.act("bulk_export"), organization_id=user.organization_id,
                    at=timezone.now(), by=user,
                )  # fmt: skip
                _looked(request, "audit.exported", "audit", elements=["since", "until"])
        except approvals.NotApproved as problem:
            _looked(request, "audit.exported", "audit", elements=["since", "until"], outcome="refused")
            self.message_user(request, str(type(problem).__doc__), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:accounts_proposedchange_changelist"))
        lines = _inside(user.organization_id, since, until)
        return _file(StreamingHttpResponse(lines, content_type="application/fhir+ndjson"), "audit.ndjson")


def _inside(organization_id: int, since: datetime, until: datetime) -> Any:
    """The answer is streamed after the middleware has left the walls."""
    with walls.organization(organization_id):
        yield from balp.lines(organization_id, since=since, until=until)


def _file(answer: _Answer, name: str) -> _Answer:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _any_of(rows: "QuerySet[AuditEvent]", word: str) -> "QuerySet[AuditEvent]":
    """One box for who does not want to choose: the word says by its form what it can be."""
    if not word:
        return rows
    actor = _actor_of(word)
    if actor != word or word.partition(":")[0] in ("user", "patient", "system", "ehr"):
        return rows.filter(actor=actor)
    if word.startswith("supplier:"):
        return rows.filter(recipient=word)
    return rows.filter(entity=word) if ":" in word else rows.filter(action=word)


def _looked(
    request: HttpRequest, action: str, entity: str, *, elements: list[str] | None = None, reason: str = "",
    patient: bytes = b"", outcome: str = "success",
) -> None:  # fmt: skip
    user = staff_of(request)
    audit.record(
        organization_id=user.organization_id, by=user.actor, action=action, entity=entity, at=timezone.now(),
        elements=elements or (), reason=reason, patient=patient, outcome=outcome,
    )  # fmt: skip


def _short(entity: str) -> str:
    """Kind and the beginning of the id; the page of the event has all of it."""
    kind, _, name = entity.partition(":")
    return f"{kind} {name[:8]}"


def names_of(rows: list[AuditEvent]) -> dict[str, str]:
    """Staff by username; who came from an EHR has a made-up username, so by the name that the EHR told."""
    ids = {row.actor.removeprefix("user:") for row in rows if row.actor.startswith("user:")}
    known = [one for one in ids if _is_uuid(one)]
    return {str(user.actor): str(user) for user in User.objects.filter(public_id__in=known)}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


