"""Back office: organization, users, and the book that belongs to no room above: effects. Agreements and the audit have
files of their own, registered from here."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import password_validation
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.accounts import agreement_pages, audit_pages, whom
from ehrcommerce.accounts import effect_figures as effect_figures  # its charts register themselves
from ehrcommerce.accounts import lookups as lookups  # its ids register themselves
from ehrcommerce.accounts import oversight_admin as oversight_admin  # its pages register themselves
from ehrcommerce.accounts.backoffice import (
    EVERYBODY,
    OPERATIONS,
    PRIVACY,
    BackOffice,
    ShownInline,
    staff_of,
)
from ehrcommerce.accounts.desk import Line, Panel, panel
from ehrcommerce.accounts.models import EHR_ROLES, Organization, Role, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.queue import QueueAdmin, closing
from ehrcommerce.accounts.signin import SignInForm
from ehrcommerce.accounts.words import TITLES, remedy, title
from ehrcommerce.outbox import services as outbox
from ehrcommerce.outbox import watch
from ehrcommerce.outbox.models import OPEN, Effect, Heartbeat, Note, State

if TYPE_CHECKING:
    _StaffForm = forms.ModelForm[User]
    _Filter = admin.SimpleListFilter
else:
    _StaffForm = forms.ModelForm
    _Filter = admin.SimpleListFilter

site.login_form, site.login_template = SignInForm, "admin/login.html"
site.site_url = None
__all__ = ["agreement_pages", "audit_pages", "line_of", "stuck"]  # the first two are registered by being imported
site.enable_nav_sidebar = False
LATE_AFTER = timedelta(minutes=5)


@admin.register(Organization, site=site)
class OrganizationAdmin(BackOffice):
    list_display = ["name", "alias", "state", "link_days"]
    may_add = False
    fieldsets = [
        (None, {"fields": [("name", "alias"), ("phone", "state"), "time_zone"]}),
        ("Links and orders", {"fields": [
            ("link_days", "adult_age"), "approval", "reminders", "prescription_max_age_days", "held_words",
        ]}),
        ("How a patient proves who they are", {"fields": ["match_postal_code", "match_family_name"]}),
        ("Who may act for a patient", {"fields": ["helpers", "minor_private"]}),
        ("What a patient reads about the law", {"fields": ["privacy_ccpa", "privacy_gdpr"]}),
        ("Pages of the clinic for patients", {"fields": [
            "terms_en", "terms_es", "privacy_en", "privacy_es", "accessibility_en", "accessibility_es", "language_help",
        ]}),
    ]


class StaffForm(_StaffForm):
    """Passwords go in and never come out. A new password leaves the one-time code as it is."""

    new_password = forms.CharField(
        required=False, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters. Empty: it stays as it is. People who come from an EHR need none.",
    )  # fmt: skip

    class Meta:
        model = User
        fields = ("username", "display_name", "role", "is_active")

    def clean_role(self) -> str:
        """Nobody crosses between the EHR's people and the staff: they sign in by different doors."""
        role, is_new = str(self.cleaned_data["role"]), self.instance.pk is None
        if (is_new or not self.instance.subject) and role in EHR_ROLES:
            raise forms.ValidationError("Clinicians and prescribers come from the EHR by their first launch.")
        if not is_new and self.instance.subject and role not in EHR_ROLES:
            raise forms.ValidationError("Somebody who comes from the EHR cannot become staff. Add a user of their own.")
        return role

    def clean_new_password(self) -> str:
        password = str(self.cleaned_data["new_password"])
        if password:
            password_validation.validate_password(password, self.instance)
        elif self.instance.pk is None:
            raise forms.ValidationError("A new administrator needs a first password.")
        return password

    def save(self, commit: bool = True) -> Any:
        user = super().save(commit=False)
        if self.cleaned_data["new_password"]:
            user.set_password(self.cleaned_data["new_password"])
        if commit:
            user.save()
        return user


@admin.register(User, site=site)
class UserAdmin(BackOffice):
    """Staff get a password here; their first one-time-code device is made for them, never by themselves."""

    may_view = PRIVACY
    form = StaffForm
    list_display = ["username", "display_name", "role", "is_active", "last_login", "one_time_code"]
    list_filter = ["role", "is_active"]
    search_fields = ["=username"]
    search_help_text = "Exact username."
    readonly_fields = ["last_login", "one_time_code"]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(_has_code=Exists(devices))

    @admin.display(boolean=True, description="one-time code")
    def one_time_code(self, user: User) -> bool:
        return bool(getattr(user, "_has_code", False))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = [*StaffForm.Meta.fields]
        if self.has_change_permission(request):
            shown.append("new_password")
        return shown if obj is None else [*shown, *self.readonly_fields]

    def save_model(self, request: HttpRequest, obj: User, form: "ModelForm[Any]", change: bool) -> None:
        obj.is_staff = obj.role not in EHR_ROLES
        obj.is_superuser = obj.role == Role.ADMINISTRATOR
        super().save_model(request, obj, form, change)
        if obj.is_staff and not TOTPDevice.objects.filter(user=obj).exists():
            device = TOTPDevice.objects.create(user=obj, name="first", tolerance=0)
            self.message_user(
                request,
                f"Shown once: hand this to {obj.username} for an authenticator app: {device.config_url}",
                messages.WARNING,
            )


class NoteInline(ShownInline):
    model = Note
    fields = ["at", "state", "code", "actor"]
    ordering = ["id"]


class StuckFilter(_Filter):
    """What an operator looks for first."""

    title, parameter_name = "what waits", "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("person", "Needs a person"), ("late", "Late"), ("open", "All that is open")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Effect]") -> "QuerySet[Effect]":
        chosen = self.value()
        if chosen == "person":
            return queryset.filter(state=State.NEEDS_HUMAN)
        if chosen == "late":
            return late(queryset)
        return queryset.filter(state__in=OPEN) if chosen == "open" else queryset


class KindFilter(_Filter):
    title, parameter_name = "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(TITLES.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Effect]") -> "QuerySet[Effect]":
        return queryset.filter(kind=self.value()) if self.value() else queryset


def late(effects: "QuerySet[Effect]") -> "QuerySet[Effect]":
    """Open, and nobody looked although it was time: the worker or the sweeper stands still."""
    return effects.filter(state__in=OPEN, next_run_at__lt=timezone.now() - LATE_AFTER)


def _linked(runbook: str) -> str:
    """A runbook as a link where it is an address of the web, else as it is written."""
    if not runbook.startswith("https://"):
        return runbook or "no runbook"
    return format_html('<a href="{}" rel="noreferrer">runbook</a>', runbook)


@admin.register(Effect, site=site)
class EffectAdmin(QueueAdmin):
    """Everything that is on its way out, and what only a person can settle."""

    list_display = ["what", "state", "code", "owner_name", "subject", "tries", "next_run_at", "changed_at"]
    list_filter = [StuckFilter, "state", KindFilter]
    search_fields = ["subject__exact", "reference__exact"]
    search_help_text = "Exact id of an order, payment, fulfillment or link, or the partner's reference."
    ordering = ["-id"]
    fields = [
        ("what", "state", "code"), ("what_to_do", "owner_name"), "whom_to_call", ("subject", "generation"), ("tries", "reference"),
        ("created_at", "changed_at"), ("next_run_at", "deadline_at"),
    ]  # fmt: skip
    readonly_fields = ["what", "what_to_do", "owner_name", "whom_to_call"]
    inlines = [NoteInline]
    actions = ["retry", "take", "give_back", "give_up"]
    change_form_template = "admin/outbox/effect/change_form.html"

    @admin.display(description="what", ordering="kind")
    def what(self, effect: Effect) -> str:
        return title(effect.kind)

    @admin.display(description="what to do")
    def what_to_do(self, effect: Effect) -> str:
        waits = effect.is_open or effect.state == State.NEEDS_HUMAN
        return (remedy(effect.code) if waits else "") or "-"

    @admin.display(description="whom to call")
    def whom_to_call(self, effect: Effect) -> str:
        rows = [(one.partner, one.owner, one.call, one.runbook) for one in whom.whom_to_call(effect)]
        told = [
            (partner, f"looked after by {owner}" if owner else "nobody here looks after it",
             f"call {call}" if call else "no number in its row", _linked(runbook))
            for partner, owner, call, runbook in rows
        ]  # fmt: skip
        return format_html_join(" / ", "{}: {}; {}; {}", told) or "-"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With a button, where there is something to retry."""
        effect = self.get_object(request, object_id)
        waits = effect is not None and (effect.is_open or effect.state == State.NEEDS_HUMAN)
        may_act = self.has_retry_permission(request)
        context = {**(extra_context or {}), "may_retry": waits and may_act}
        if effect is not None and may_act:
            context |= closing(effect)
        return super().change_view(request, object_id, form_url, context)

    def name_of(self, row: Effect) -> str:
        return f"{title(row.kind)}: {row.get_state_display()}"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self._has(request, OPERATIONS)

    @admin.action(
        description="Retry now (asks the partner first where something may have gone out)", permissions=["retry"]
    )
    def retry(self, request: HttpRequest, effects: "QuerySet[Effect]") -> None:
        moved = 0
        for effect in effects[:500]:
            try:
                outbox.retry(effect, by=staff_of(request).actor, at=timezone.now())
                moved += 1
            except outbox.NotRetryable:
                self.message_user(
                    request, f"{title(effect.kind)} {effect.subject} has ended already.", messages.WARNING
                )
        self.message_user(request, f"{moved} will be tried now.", messages.SUCCESS)


def stuck() -> "QuerySet[Effect]":
    """What needs a person, and what is late."""
    wanted = Q(state=State.NEEDS_HUMAN) | Q(state__in=OPEN, next_run_at__lt=timezone.now() - LATE_AFTER)
    return Effect.objects.filter(wanted).order_by("-changed_at")


@panel(5, EVERYBODY)
def is_the_clock_running() -> Panel:
    """Nothing is found, sealed or followed while the sweeper stands still, and no other page would show it."""
    silent = watch.is_silent()
    words = "Not heard for a minute. Start it: manage.py sweeper. Until then late work waits."
    lines = [Line("The sweeper", words, reverse("admin:outbox_effect_changelist") + "?waits=late")] if silent else []
    skewed = [row for row in Heartbeat.objects.all() if abs(row.skew_s) > watch.SKEW_ALARM_S]
    lines += [Line(f"The clock of the {row.name}", f"{row.skew_s:+.0f} s off. Set it by NTP.", "") for row in skewed]
    return Panel("The clock", "The sweeper runs.", lines, reverse("admin:outbox_effect_changelist"), urgent=True)


def line_of(effect: Effect, whose: str = "", url: str = "") -> Line:
    """An effect on the first page. `whose` is the number of its order, `url` the order's page."""
    why = remedy(effect.code) or effect.code
    if effect.owner:
        why = f"Somebody looks after it. {why}"
    if effect.state != State.NEEDS_HUMAN:
        why = f"Late since {effect.next_run_at:%-d %b %H:%M} UTC. {why}".strip()
    return Line(
        f"{whose} {title(effect.kind)}".strip(), why, url or reverse("admin:outbox_effect_change", args=[effect.pk])
    )
