"""Back office: EHR connections, the test of each, what to hand to the EHR's administrator, and the launches that came of
them. Tokens, secrets and ids are never shown."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html_join

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import (
    ADMINISTRATOR,
    INTEGRATION,
    PRIVACY,
    BackOfficeInline,
    ReadOnly,
    staff_of,
)
from ehrcommerce.accounts.desk import SHOWN as PANEL_LINES
from ehrcommerce.accounts.desk import Line, Panel, panel
from ehrcommerce.accounts.footing import footing_of
from ehrcommerce.accounts.models import EHR_ROLES, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier
from ehrcommerce.audit import services as audit
from ehrcommerce.ehr import alerts, checking, discovery, findings, handover, knob_rules, presets
from ehrcommerce.ehr import events_admin as events_admin  # its pages register themselves
from ehrcommerce.ehr import figures as figures  # its charts register themselves
from ehrcommerce.ehr import hl7_admin as hl7_admin  # its pages register themselves
from ehrcommerce.ehr import hook_admin as hook_admin  # its pages register themselves
from ehrcommerce.ehr import lookups as lookups  # its ids register themselves
from ehrcommerce.ehr import rule_admin as rule_admin  # its pages register themselves
from ehrcommerce.ehr import whom as whom  # its panel registers itself
from ehrcommerce.ehr.connection_form import LABELS, ConnectionForm, SpellingForm
from ehrcommerce.ehr.findings import ERROR, WARNING
from ehrcommerce.ehr.models import EhrConnection, EhrIssuer, EhrSession

NEW = ["name", "slug", "vendor", "fhir_base", "client_id", "client_auth", "new_client_secret", "frame_origins", "enabled",
       "owner_contact"]  # fmt: skip
BASIC = ["name", "slug", "vendor", "fhir_base", "client_id", "client_auth", "frame_origins", "backend_services", "enabled",
         "owner", "owner_contact", "runbook_url", "agreement", "state", "differs"]  # fmt: skip
# One field a line: Django opens a folded part for a field that is wrong only where it stands alone.
FOLDED = (
    ("What differs: where it lives", [
        "extra_origins", "client_certificate", "connect_s", "read_s", "rate_per_minute",
    ]),
    ("What differs: how the app proves itself", [
        "assertion_alg", "assertion_aud", "basic_encoding", "client_id_in_body",
    ]),
    ("What differs: launch and scopes", [
        "scope_dialect", "launch_scopes", "retry_reduced_scopes", "aud_override", "standalone", "token_type_optional",
        "patient_prefix_ok", "introspects",
    ]),
    ("What differs: who signed in", [
        "oidc_issuer", "more_issuers", "jwks_source", "jwks_uri", "id_token_algs", "nonce_policy", "fhir_user_policy",
        "pinned",
    ]),
    ("What differs: reading and reporting", [
        "honors_elements", "honors_include", "honors_batch", "search_parameters", "medication_order", "write_back",
    ]),
)  # fmt: skip
SHOWN = {findings.OK: "in order", WARNING: "look at it", ERROR: "wrong"}


class SpellingInline(BackOfficeInline):
    model = EhrIssuer
    form = SpellingForm
    may_change = INTEGRATION
    fields = ["spelling"]
    verbose_name = "address"
    verbose_name_plural = "further addresses by which the same EHR launches the app (spellings of iss)"


# Whom we believe, where tokens go, how we prove ourselves, who may frame our pages.
GUARDED = frozenset({
    "fhir_base", "client_id", "client_auth", "client_secret", "extra_origins", "frame_origins", "oidc_issuer",
    "more_issuers", "jwks_source", "jwks_uri", "id_token_algs", "nonce_policy", "aud_override", "assertion_aud",
    "client_certificate", "fhir_user_policy", "standalone", "backend_services", "patient_prefix_ok",
})  # fmt: skip


def _apply_more(row: EhrConnection, values: Mapping[str, Any], by: User, at: datetime) -> None:
    """What an approval changes besides the columns: further spellings of the issuer, and what a launch pinned."""
    if "spellings" in values:
        row.spellings.exclude(spelling__in=values["spellings"]).delete()
        known = set(row.spellings.values_list("spelling", flat=True))
        for spelling in values["spellings"]:
            if spelling not in known:
                EhrIssuer(connection=row, spelling=spelling).save()
        audit.record(
            organization_id=row.organization_id, by=by.actor, action="connection.spellings_changed", at=at,
            entity=f"connection:{row.public_id}",
        )  # fmt: skip
    if values.get("unpin"):
        alerts.clear(row, by=by.actor, at=at, unpin=True)
    discovery.forget()


approvals.register(
    "connection",
    approvals.Kind("Where an EHR is reached", INTEGRATION, applier(EhrConnection, "enabled", GUARDED, _apply_more)),
)


@admin.register(EhrConnection, site=site)
class EhrConnectionAdmin(TwoPeople):
    kind, switch, guarded = "connection", "enabled", GUARDED
    may_change = INTEGRATION
    form = ConnectionForm
    list_display = ["name", "vendor", "fhir_base", "state", "last_checked_at", "enabled", "agreement"]
    ordering = ["name"]
    readonly_fields = ["agreement", "state", "differs", "pinned"]
    change_form_template = "admin/ehr/ehrconnection/change_form.html"

    # ------------------------------------------------------------------------------------------------------- the form
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": NEW})]
        may = self.has_change_permission(request)
        basic = [*BASIC[:6], *(["new_client_secret"] if may else []), *BASIC[6:]]
        folded = [(title, {"classes": ["collapse"], "fields": fields}) for title, fields in FOLDED]
        again = [("The vendor's values", {"classes": ["collapse"], "fields": ["refill"]})] if may else []
        return [(None, {"fields": basic}), *folded, *again]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {"slug": ["name"]} if obj is None and self.has_add_permission(request) else {}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [SpellingInline] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if isinstance(form, ConnectionForm) and change:
            obj.save = partial(obj.save, update_fields=form.saved_fields)
        super().save_model(request, obj, form, change)
        discovery.forget()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Whose EHR calls is a matter for the audit, and of a connection that is on, for two people."""
        row = form.instance
        if formset.model is EhrIssuer and formset.has_changed() and EhrConnection.objects.get(pk=row.pk).enabled:
            formset.save(commit=False)
            before = set(row.spellings.values_list("spelling", flat=True))
            gone = {each.spelling for each in formset.deleted_objects}
            gone |= {each.initial["spelling"] for each in formset.initial_forms if each.has_changed()}
            new = {each.spelling for each in formset.new_objects} | {
                each.spelling for each, _ in formset.changed_objects
            }
            wanted = sorted(before - gone | new)
            told = [("further addresses", " ".join(sorted(before)) or "none", " ".join(wanted) or "none")]
            self.propose(request, row, {"spellings": wanted}, told)
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
            return
        super().save_formset(request, form, formset, change)
        if formset.new_objects or formset.changed_objects or formset.deleted_objects:
            self._tell(request, form.instance, "connection.spellings_changed")

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """The next step of a new connection is its test page."""
        title = presets.preset(obj.vendor).title
        self.message_user(request, f"Saved with the values of {title}. Hand over what stands below, then test.")
        return HttpResponseRedirect(self._page("test", obj.pk))

    # ------------------------------------------------------------------------------------------------------ its columns
    @admin.display(description="agreement")
    def agreement(self, row: EhrConnection) -> str:
        return footing_of(row.party, row.name) if row.pk else "Save first."

    @admin.display(description="state")
    def state(self, row: EhrConnection) -> str:
        """One word of the list; the test page has the sentences."""
        if not row.enabled:
            return "disabled"
        if row.alert:
            return "misconfigured: look at the alert"
        if row.last_checked_at is None:
            return "not tested yet"
        found = findings.from_json(row.check_findings)
        wrong, odd = (sum(one.severity == kind for one in found) for kind in (ERROR, WARNING))
        if wrong:
            return f"misconfigured ({wrong})"
        return f"ok, {odd} to look at" if odd else "ok"

    @admin.display(description="differs from the vendor's values")
    def differs(self, row: EhrConnection) -> str:
        told = [
            (LABELS[one.name], _words(one.here), _words(one.there), one.because) for one in presets.differences(row)
        ]
        line = "<div>{}: <strong>{}</strong> here, {} in the preset ({})</div>"
        return format_html_join("", line, told) if told else "In nothing."

    @admin.display(description="recorded at the first launch")
    def pinned(self, row: EhrConnection) -> str:
        found = [*row.pinned_endpoints.values(), *([f"tenant {row.tenant}"] if row.tenant else [])]
        return format_html_join("", "<div>{}</div>", ((one,) for one in found)) if found else "Nothing yet."

    # --------------------------------------------------------------------------------------------------------- buttons
    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        mine = [
            path("<int:pk>/test/", view(self.test), name="ehr_ehrconnection_test"),
            path("<int:pk>/origin/", view(self.add_origin), name="ehr_ehrconnection_origin"),
            path("<int:pk>/knob/", view(self.set_knob), name="ehr_ehrconnection_knob"),
            path("<int:pk>/alert/", view(self.clear_alert), name="ehr_ehrconnection_alert"),
        ]
        return [*mine, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None:
            context |= {
                "may_act": self.has_change_permission(request),
                "alert": alerts.SENTENCES.get(row.alert, row.alert),
                "more_alerts": [alerts.SENTENCES[one] for one in row.standing_alerts if one != row.alert],
                "may_unpin": alerts.may_unpin(row, row.alert),
            }
        return super().change_view(request, object_id, form_url, context)

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST asks the EHR; GET shows what was found the last time, and what to hand over."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(EhrConnection.objects.select_related("organization"), pk=pk)
        if request.method == "POST":
            checking.check(self._changing(request, row), by=staff_of(request).actor, at=timezone.now())
            return HttpResponseRedirect(self._page("test", pk))
        return TemplateResponse(request, "admin/ehr/ehrconnection/test.html", self._test_context(request, row))

    def _test_context(self, request: HttpRequest, row: EhrConnection) -> dict[str, Any]:
        found = sorted(findings.from_json(row.check_findings), key=findings.place)
        return {
            **self.admin_site.each_context(request),
            "title": f"Test of {row.name}", "opts": self.opts, "row": row, "may_act": self.has_change_permission(request),
            "lines": [(one, SHOWN.get(one.severity, one.severity)) for one in found],
            "origins": list(dict.fromkeys(one.origin for one in found if one.origin)),
            "offers": list(dict.fromkeys((one.knob, one.value, LABELS[one.knob]) for one in found if one.knob in LABELS)),
            "worst": findings.worst(found) if row.last_checked_at else "",
            "handover": list(handover.of(row)), "notes": presets.preset(row.vendor).notes,
            "vendor": presets.preset(row.vendor).title, "agreement": footing_of(row.party, row.name),
            "agreed": checking.has_agreement(row, timezone.now()),
        }  # fmt: skip

    def add_origin(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One that the last test named, and no other: whoever presses has asked the EHR's administrator."""
        row = self._pressed(request, pk)
        if row is None:
            return HttpResponseNotAllowed(["POST"])
        wished = request.POST.get("origin", "")
        named = {one.origin for one in findings.from_json(row.check_findings) if one.origin}
        try:
            if wished not in named:
                raise ValidationError("This origin was not named by the last test.")
            row.extra_origins = knob_rules.origins(f"{row.extra_origins}\n{wished}")
        except ValidationError as problem:
            self.message_user(request, " ".join(problem.messages), messages.ERROR)
            return HttpResponseRedirect(self._page("test", pk))
        if row.enabled:
            self.propose(request, EhrConnection.objects.get(pk=pk), {"extra_origins": row.extra_origins})
            return HttpResponseRedirect(self._page("test", pk))
        row.save(update_fields=["extra_origins"])
        self._tell(request, row, "connection.origin_added", ["extra_origins"])
        checking.check(row, by=staff_of(request).actor, at=timezone.now())
        self.message_user(request, f"{wished} was added, and the connection tested again.")
        return HttpResponseRedirect(self._page("test", pk))

    def set_knob(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A value that the last test found to fit, and no other. What decides whom we believe, or how we prove ourselves,
        waits for a second person where the connection is on."""
        row = self._pressed(request, pk)
        if row is None:
            return HttpResponseNotAllowed(["POST"])
        wished = (request.POST.get("knob", ""), request.POST.get("value", ""))
        named = {(one.knob, one.value) for one in findings.from_json(row.check_findings)}
        try:
            if wished not in named or wished[0] not in knob_rules.BY_BUTTON:
                raise ValidationError("This value was not named by the last test.")
            value = knob_rules.BY_BUTTON[wished[0]](wished[1])
        except ValidationError as problem:
            self.message_user(request, " ".join(problem.messages), messages.ERROR)
            return HttpResponseRedirect(self._page("test", pk))
        if row.enabled and wished[0] in GUARDED:
            self.propose(request, EhrConnection.objects.get(pk=pk), {wished[0]: value})
            return HttpResponseRedirect(self._page("test", pk))
        setattr(row, wished[0], value)
        row.save(update_fields=[wished[0]])
        self._tell(request, row, "connection.knob_set", [wished[0]])
        checking.check(row, by=staff_of(request).actor, at=timezone.now())
        self.message_user(request, f"{LABELS[wished[0]]} is now {value}, and the connection was tested again.")
        return HttpResponseRedirect(self._page("test", pk))

    def clear_alert(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Somebody looked at what changed: either it stays as recorded, or the EHR's new values are right."""
        row = self._pressed(request, pk)
        if row is None:
            return HttpResponseNotAllowed(["POST"])
        unpin = request.POST.get("decision") == "unpin" and alerts.may_unpin(row, row.alert)
        if request.POST.get("word", row.alert) != row.alert:
            self.message_user(request, "Something graver was noticed meanwhile. Look at it first.", messages.WARNING)
            return HttpResponseRedirect(reverse("admin:ehr_ehrconnection_change", args=[pk]))
        if unpin and row.enabled:
            told = [("what a launch recorded", "as it is", "the EHR's new values, at the next launch")]
            self.propose(request, row, {"unpin": True}, told)
            return HttpResponseRedirect(reverse("admin:ehr_ehrconnection_change", args=[pk]))
        alerts.clear(row, by=staff_of(request).actor, at=timezone.now(), unpin=unpin)
        discovery.forget()
        said = "The next launch that succeeds records the new values." if unpin else "What was recorded stays."
        self.message_user(request, said)
        return HttpResponseRedirect(reverse("admin:ehr_ehrconnection_change", args=[pk]))

    def _pressed(self, request: HttpRequest, pk: int) -> EhrConnection | None:
        """The row of a button, pressed by somebody who may; None where it was not pressed but looked at."""
        row = self._changing(request, get_object_or_404(EhrConnection, pk=pk))
        return row if request.method == "POST" else None

    def _changing(self, request: HttpRequest, row: EhrConnection) -> EhrConnection:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return row

    def _tell(self, request: HttpRequest, row: EhrConnection, action: str, elements: list[str] | None = None) -> None:
        audit.record(
            organization_id=row.organization_id, by=staff_of(request).actor, action=action, at=timezone.now(),
            entity=f"connection:{row.public_id}", elements=elements or [],
        )  # fmt: skip

    @staticmethod
    def _page(name: str, pk: int) -> str:
        return reverse(f"admin:ehr_ehrconnection_{name}", args=[pk])


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value not in ("", {}, None) else "empty"


@panel(25, ADMINISTRATOR)
def waiting_people() -> Panel:
    """Whom an EHR did not call a clinician: switched off since their first launch, which never opened."""
    known = EhrSession.objects.filter(user=OuterRef("pk"))
    rows = User.objects.filter(~Exists(known), role__in=EHR_ROLES, is_active=False).order_by("-date_joined")
    lines = [
        Line(one.username, f"Since {one.date_joined:%-d %b %Y %H:%M} UTC, from {one.issuer}",
             reverse("admin:accounts_user_change", args=[one.pk]))
        for one in rows[:PANEL_LINES]
    ]  # fmt: skip
    more = reverse("admin:accounts_user_changelist") + "?is_active__exact=0"
    return Panel("People who wait to be let in", "Nobody waits.", lines, more, urgent=True)


@admin.register(EhrSession, site=site)
class EhrSessionAdmin(ReadOnly):
    """Launches: who, from where, when. Which patient is not here."""

    may_view = INTEGRATION | PRIVACY
    list_display = ["public_id", "user", "connection", "started_at", "seen_at", "ended_at"]
    list_select_related = ["user", "connection"]
    list_filter = ["connection"]
    ordering = ["-id"]
    fields = ["public_id", ("user", "connection"), "scope", ("started_at", "seen_at", "ends_at", "ended_at")]
    readonly_fields = ["public_id"]
