"""What every page of the back office has in common: who may do what is decided by role and by nothing else, sealed
values are never shown, lists do not count without end, and every change is audited. Each app's admin.py builds on
this."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models, transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst

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
        return isinstance(request.user, User) and request.user.role in roles

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._has(request, self.may_view | self.may_change)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._has(request, self.may_view | self.may_change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._has(request, self.may_change)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and self._has(request, self.may_change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

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
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return HttpResponseRedirect(reverse("admin:index"))
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        user = staff_of(request)
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


class ReadOnly(BackOffice):
    """Looked at, never edited by form: what moves here moves by services."""

    may_change: ClassVar[frozenset[str]] = frozenset()
    may_add: ClassVar[bool] = False


class BackOfficeInline(_TabularInline):
    """Rows shown with their parent, under the parent's rules."""

    extra = 0
    may_change: ClassVar[frozenset[str]] = frozenset()

    def _may(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and request.user.role in self.may_change

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.role in EVERYBODY

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


class ShownInline(BackOfficeInline):
    """Looked at with the parent, by whoever sees the parent; never a form."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()
