"""What every page of the back office has in common: who may do what is decided by role and by nothing else, sealed
values are never shown, lists do not count without end, and every change is audited. Each app's admin.py builds on
this."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models, transaction
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst

from ehrcommerce.accounts import access
from ehrcommerce.accounts.models import Role, User
from ehrcommerce.audit import services as audit
from ehrcommerce.audit.models import AuditEvent
from ehrcommerce.vault.fields import SealedField

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _TabularInline = admin.TabularInline

EVERYBODY = frozenset(Role.values) - {Role.CLINICIAN, Role.PRESCRIBER}
ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
OPERATIONS = ADMINISTRATOR | {Role.OPERATIONS}
CATALOG = ADMINISTRATOR | {Role.CATALOG}
INTEGRATION = ADMINISTRATOR | {Role.INTEGRATION}
PRIVACY = ADMINISTRATOR | {Role.PRIVACY}

# Where the audit's word for a row is not the model's own name.
ENTITY = {"purchaselink": "link", "ehrconnection": "connection", "ehrsession": "launch"}


def staff_of(request: HttpRequest) -> User:
    """The signed-in administrator; the admin site lets nobody else in."""
    if not isinstance(request.user, User):
        raise TypeError("the admin site was entered without a user")
    return request.user


def sees(request: HttpRequest, model: type[models.Model], column: str) -> bool:
    """Whether the table of field classes lets this user see this column (access.py)."""
    label = model._meta.label_lower
    if glass_is_broken(request) and column not in access.UNMASKED.get(label, ()):
        return access.somebody_sees(access.class_of(label, column))
    return access.sees(staff_of(request).role, label, column)


def glass_is_broken(request: HttpRequest) -> bool:
    """Whether this user forced the view for half an hour: sees more, presses nothing (glass.py)."""
    standing = getattr(request, "glass", None)
    return standing is not None and standing.open is not None


def shown(request: HttpRequest, model: type[models.Model], columns: Iterable[Any]) -> list[Any]:
    """Of columns, which may stand in groups as fieldsets have them, those that this user sees."""
    return _trimmed(columns, lambda name: sees(request, model, name))


def veiled(request: HttpRequest, model: type[models.Model]) -> list[str]:
    """Columns of the table that the database does not even hand out for the pages of this user: sealed values, and
    what the role does not see."""
    label = model._meta.label_lower
    named = [each for each in model._meta.concrete_fields if not each.primary_key and each.name != "organization"]
    return [
        field.name
        for field in named
        if (
            isinstance(field, SealedField)
            if access.class_of(label, field.name) is None
            else not sees(request, model, field.name)
        )
    ]


def entity_of(row: models.Model) -> str:
    """What the audit calls a row."""
    name = str(row._meta.model_name)
    return f"{ENTITY.get(name, name)}:{getattr(row, 'public_id', row.pk)}"


if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class Capped(_Paginator):
    """Pages of a table that grows: what lies beyond the cap is found by filter or search, and nobody counts it."""

    cap = 5_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[: self.cap].count() if isinstance(rows, models.QuerySet) else len(rows)


class BackOffice(_ModelAdmin):
    """Rows of the user's organization (the walls see to it), for the roles named here."""

    may_view: ClassVar[frozenset[str]] = EVERYBODY
    may_change: ClassVar[frozenset[str]] = ADMINISTRATOR
    may_add: ClassVar[bool] = True
    show_full_result_count = False
    list_per_page = 50
    paginator = Capped
    show_facets = admin.ShowFacets.NEVER
    actions: Any = None

    def _has(self, request: HttpRequest, roles: frozenset[str]) -> bool:
        """May press and change. Whoever broke the glass looks only."""
        return isinstance(request.user, User) and request.user.role in roles and not glass_is_broken(request)

    def _looks(self, request: HttpRequest) -> bool:
        role = getattr(request.user, "role", "")
        return role in self.may_view | self.may_change or (glass_is_broken(request) and role in EVERYBODY)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._looks(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._looks(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._has(request, self.may_change)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and self._has(request, self.may_change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # ------------------------------------------------------------- columns: those whose class the role sees (access.py)
    def get_list_display(self, request: HttpRequest) -> Any:
        return shown(request, self.model, super().get_list_display(request))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """A filter by a hidden column would answer what the page does not say. Filters of our own name a state."""
        filters: Any = super().get_list_filter(request)
        names = [(each, each if isinstance(each, str | type) else each[0]) for each in filters]
        return [each for each, name in names if isinstance(name, type) or sees(request, self.model, name)]

    def get_search_fields(self, request: HttpRequest) -> Any:
        return [
            each for each in super().get_search_fields(request)
            if "__" in each.removesuffix("__exact") or sees(request, self.model, each.strip("=^@").removesuffix("__exact"))
        ]  # fmt: skip

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Django lets every column of the table itself be asked for in the address: here only those that are seen."""
        first = lookup.partition("__")[0]
        if request is not None and first in self._askable() and not sees(request, self.model, first):
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def _askable(self) -> set[str]:
        """Columns and relations of the table; other names in an address are those of our own filters."""
        return {field.name for field in self.opts.get_fields()} - {self.opts.pk.name}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """New fields of the form that are in no table (a new password) belong to the form; the rest is trimmed."""
        columns = {field.name for field in self.model._meta.get_fields()} | set(self.get_readonly_fields(request, obj))
        kept = []
        for title, options in super().get_fieldsets(request, obj):
            fields = _trimmed(options["fields"], lambda name: name not in columns or sees(request, self.model, name))
            kept += [(title, {**options, "fields": fields})] if fields else []
        return kept

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> Any:
        return [each for each in super().get_inline_instances(request, obj) if each.get_fields(request, obj)]

    def get_queryset(self, request: HttpRequest) -> Any:
        """What this user does not see does not leave the database."""
        return super().get_queryset(request).defer(*veiled(request, self.model))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A title that says what is listed."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A title that names the row; rows are named by opaque ids, numbers and names of partners."""
        row = self.get_object(request, unquote(object_id))
        title = (
            {"title": capfirst(f"{self.opts.verbose_name} {self.name_of(row)}"), "subtitle": None}
            if row is not None
            else {}
        )
        return super().change_view(request, object_id, form_url, {**title, **(extra_context or {})})

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Of another clinic, or of nobody: the same page, which says no more than that there is none. Django would lead
        to the first page and name what was asked for."""
        raise Http404

    def name_of(self, row: Any) -> str:
        """What stands in the title of its page."""
        return str(row)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Sealed values have no widget; the organization is that of the user."""
        named = [field.name for field in self.model._meta.get_fields() if isinstance(field, SealedField)]
        owned = [field.name for field in self.model._meta.get_fields() if field.name == "organization"]
        return [*(super().get_exclude(request, obj) or []), *named, *owned]

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        """The row and its audit event, or neither."""
        user = staff_of(request)
        with transaction.atomic():
            if hasattr(obj, "organization_id") and obj.organization_id is None:
                obj.organization_id = user.organization_id
            super().save_model(request, obj, form, change)
            audit.record(
                organization_id=user.organization_id, by=user.actor, entity=entity_of(obj), at=timezone.now(),
                action=f"{obj._meta.model_name}.{'changed' if change else 'added'}", elements=form.changed_data,
            )  # fmt: skip

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What the audit holds of this row: who did what, and names of fields. A look at it is itself an event."""
        user = staff_of(request)
        if not self.has_view_or_change_permission(request) or not may_audit(user.role):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        mine = AuditEvent.objects.filter(organization_id=user.organization_id, entity=entity_of(row))
        events = list(mine.order_by("-id")[:200])
        audit.record(
            organization_id=user.organization_id, by=user.actor, action="audit.searched", entity="audit",
            at=timezone.now(), reason="history",
        )  # fmt: skip
        names = {str(each.actor): str(each) for each in User.objects.all()}
        context = {
            **self.admin_site.each_context(request), "title": f"History of {self.name_of(row)}", "object": row,
            "module_name": str(self.opts.verbose_name_plural), "opts": self.opts,
            "events": [(event, names.get(event.actor, event.actor)) for event in events],
            **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/object_history.html", context)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Django's own log stays empty: the audit holds what happened."""
        return None

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        return None


def may_audit(role: str) -> bool:
    """Who did what is for those who watch over it."""
    return access.may(role, access.FieldClass.AUDIT) == access.SEE


def _trimmed(columns: Iterable[Any], keep: Any) -> list[Any]:
    """The columns, and groups of them, for which `keep` is true."""
    kept: list[Any] = []
    for column in columns:
        if isinstance(column, list | tuple):
            group = _trimmed(column, keep)
            kept += [tuple(group)] if group else []
        elif keep(column):
            kept.append(column)
    return kept


class ReadOnly(BackOffice):
    """Looked at, never edited by form: what moves here moves by services."""

    may_change: ClassVar[frozenset[str]] = frozenset()
    may_add: ClassVar[bool] = False


class BackOfficeInline(_TabularInline):
    """Rows shown with their parent, under the parent's rules."""

    extra = 0
    may_change: ClassVar[frozenset[str]] = frozenset()

    def _may(self, request: HttpRequest) -> bool:
        may = isinstance(request.user, User) and request.user.role in self.may_change
        return may and not glass_is_broken(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.role in EVERYBODY

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return shown(request, self.model, self.fields or ())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*veiled(request, self.model))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


class ShownInline(BackOfficeInline):
    """Looked at with the parent, by whoever sees the parent; never a form."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)
