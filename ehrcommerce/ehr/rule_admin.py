"""Back office: what happens by itself. A rule is written switched off and tried on last week; switching it on needs a second
administrator. While it is on it only can be renamed or switched off, which needs nobody. What rules did is a list in which
operations undo what still waits."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from ehrcommerce.accounts import approvals
from ehrcommerce.accounts.backoffice import ADMINISTRATOR, OPERATIONS, ReadOnly, staff_of
from ehrcommerce.accounts.models import EHR_ROLES, User
from ehrcommerce.accounts.otp import site
from ehrcommerce.accounts.two_people import TwoPeople, applier, shown
from ehrcommerce.commerce.catalog.models import Product
from ehrcommerce.ehr import automation, dry_run
from ehrcommerce.ehr.models import ActState, AutomaticAct, AutomationRule, RuleAction
from ehrcommerce.ehr.rule_words import why

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[AutomationRule]
else:
    _ModelForm = forms.ModelForm

CRITERIA = (
    "place", "action", "kind", "skus", "npis", "connection", "clinician", "hold_minutes", "routing_proof",
)  # fmt: skip
GUARDED = frozenset(CRITERIA)


def _begins(row: AutomationRule, values: Mapping[str, Any], by: User, at: datetime) -> None:
    """A rule begins with what comes after it was switched on."""
    AutomationRule.objects.filter(pk=row.pk).update(since=at)


approvals.register(
    "automation_rule",
    approvals.Kind(
        "What happens by itself", approvals.ADMINISTRATORS, applier(AutomationRule, "enabled", GUARDED, _begins)
    ),
)


class RuleForm(_ModelForm):
    """The sentence of a refusal is for the person at the form."""

    class Meta:
        model = AutomationRule
        fields = ("name", "enabled", *CRITERIA)
        labels = {
            "enabled": "On", "place": "Asked as number", "skus": "Products", "npis": "Prescribers", "connection": "EHR",
            "clinician": "In the name of", "hold_minutes": "Hold, in minutes", "routing_proof": "Prescriptions reach the pharmacy",
            "action": "What follows", "kind": "Orders of this kind",
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "clinician" in self.fields:
            people = User.objects.filter(role__in=EHR_ROLES, is_active=True).order_by("display_name")
            self.fields["clinician"].queryset = people  # type: ignore[attr-defined]

    def clean_npis(self) -> str:
        listed = list(dict.fromkeys(self.cleaned_data["npis"].split()))
        if not all(len(one) == 10 and one.isascii() and one.isdigit() for one in listed):
            raise ValidationError("An NPI has ten digits. Several with spaces between.")
        return " ".join(listed)

    def clean_skus(self) -> str:
        listed = list(dict.fromkeys(self.cleaned_data["skus"].split()))
        known = Product.objects.values_list("sku", flat=True)
        for pattern in listed:
            bare = pattern.removesuffix("*")
            there = known.filter(sku__startswith=bare) if pattern.endswith("*") else known.filter(sku=pattern)
            if "*" in bare or set(bare) & set("?[") or not there.exists():
                raise ValidationError(f"No product of the catalog is called {pattern}.")
        return " ".join(listed)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        kind = given.get("kind") or self.instance.kind
        if given.get("action") == RuleAction.KIT and kind != "kit":
            self.add_error(
                "action", "Only specimen kits are shipped by themselves. Choose the kind, or let the link go out."
            )
        return given

    def save(self, commit: bool = True) -> AutomationRule:
        row = super().save(commit=False)
        if row._state.adding:
            row.created_at = timezone.now()
        if commit:
            row.save()
        return row


@admin.register(AutomationRule, site=site)
class AutomationRuleAdmin(TwoPeople):
    kind, switch, guarded = "automation_rule", "enabled", GUARDED
    may_change = ADMINISTRATOR
    form = RuleForm
    list_display = ["name", "enabled", "place", "kind", "action", "hold_minutes", "connection", "since"]
    list_select_related = ["connection"]
    ordering = ["place", "pk"]
    change_form_template = "admin/ehr/automationrule/change_form.html"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """While it is on its criteria stand: switch it off, change it, and let it be approved anew."""
        return [
            (None, {"fields": ["name", "enabled", *(["since"] if obj else [])]}),
            ("Which orders", {"fields": ["kind", "skus", "npis", "connection", "place"]}),
            ("What follows", {"fields": ["action", "hold_minutes", "clinician", "routing_proof"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = list(CRITERIA) if obj is not None and obj.enabled else []
        return [*super().get_readonly_fields(request, obj), "since", *fixed]

    def propose(
        self, request: HttpRequest, row: Any, values: Mapping[str, Any], diff: approvals.Diff | None = None
    ) -> None:
        """The second person reads the whole rule, and what it would have done last week."""
        fresh = AutomationRule.objects.select_related("organization", "connection", "clinician").get(pk=row.pk)
        told = [shown(fresh, name, value) for name, value in values.items()]
        told += [(label(name), "", words(fresh, name)) for name in ("name", *CRITERIA)]
        tried = dry_run.trial(fresh, at=timezone.now())
        told.append(("last week it would have", "", summary(tried)))
        super().propose(request, row, values, told)

    def get_urls(self) -> list[Any]:
        tried = self.admin_site.admin_view(require_safe(self.dry_run))
        return [path("<int:pk>/dry-run/", tried, name="ehr_automationrule_dry_run"), *super().get_urls()]

    def dry_run(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Counts and a list; looks at what is stored, and changes nothing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        rule = get_object_or_404(
            AutomationRule.objects.select_related("organization", "connection", "clinician"), pk=pk
        )
        tried = dry_run.trial(rule, at=timezone.now())
        context = {
            **self.admin_site.each_context(request), "title": f"What {rule.name} would have done last week",
            "opts": self.opts, "rule": rule, "tried": tried, "counts": tried.counts,
            "lines": [(line, RuleAction(line.action).label, why(line.code)) for line in tried.lines],
        }  # fmt: skip
        return TemplateResponse(request, "admin/ehr/automationrule/dry_run.html", context)


def label(name: str) -> str:
    return str(RuleForm.Meta.labels.get(name, name))


def words(rule: AutomationRule, name: str) -> str:
    display = getattr(rule, f"get_{name}_display", None)
    value = display() if display is not None else getattr(rule, name)
    return str(value) if value not in ("", None) else "any"


def summary(tried: dry_run.Trial) -> str:
    counts = tried.counts
    return f"prepared {counts['draft']}, sent {counts['link']} links, shipped {counts['kit']} kits"


@admin.register(AutomaticAct, site=site)
class AutomaticActAdmin(ReadOnly):
    """What rules did, do and left to clinicians; of no person by name."""

    list_display = ["made_at", "rule", "action", "state", "due_at", "did", "reason", "clinician"]
    list_filter = ["state", "rule"]
    list_select_related = ["rule", "clinician"]
    ordering = ["-pk"]
    fields = [
        ("made_at", "due_at", "ended_at"), "rule", ("action", "state"), ("did", "reason"), "clinician", "to_offer", "ended",
    ]  # fmt: skip
    readonly_fields = ["reason", "to_offer", "ended"]
    actions = ["undo"]

    @admin.display(description="why")
    def reason(self, act: AutomaticAct) -> str:
        return why(act.code) or "-"

    @admin.display(description="ended by")
    def ended(self, act: AutomaticAct) -> str:
        user = User.objects.filter(public_id=act.ended_by[5:]).first() if act.ended_by.startswith("user:") else None
        return str(user or act.ended_by or "-")

    @admin.display(description="offer")
    def to_offer(self, act: AutomaticAct) -> str:
        if act.offer_id is None:
            return "-"
        return format_html('<a href="{}">{}</a>', reverse("admin:offers_offer_change", args=[act.offer_id]), act.offer)

    def has_undo_permission(self, request: HttpRequest) -> bool:
        return self._has(request, OPERATIONS)

    @admin.action(description="Undo what waits (at most 50): nothing goes out", permissions=["undo"])
    def undo(self, request: HttpRequest, acts: "QuerySet[AutomaticAct]") -> None:
        waiting = [act for act in acts[:50] if act.state in (ActState.WAITING, ActState.PREPARED)]
        undone = sum(automation.undo(act=act, by=staff_of(request).actor, at=timezone.now()) for act in waiting)
        self.message_user(request, f"{undone} undone. A link that went out is taken back under links.")
