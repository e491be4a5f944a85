"""The admin site. Each of its pages asks for a user who also gave a one-time code in this session, not the login alone.

The devices stand in django-otp's own table, outside the walls: its rows hold no organization and must be read to find
out who signs in. A row is only ever looked up by the id of a user who was found inside the walls. The form of the
sign-in is signin.py."""

from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.urls import path
from django.utils import timezone
from django_otp.admin import OTPAdminSite

from ehrcommerce.accounts import glass
from ehrcommerce.accounts.models import EHR_ROLES, BreakGlass, User

METHODS = ("GET", "HEAD", "POST")


class EhrcAdminSite(OTPAdminSite):  # type: ignore[misc]  # django-otp comes without types
    """Named `admin`, so that Django's own templates find its URLs."""

    site_header = site_title = "ehrcommerce"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        """Active staff of a staff role, verified by a one-time code."""
        user = request.user
        if not isinstance(user, User) or user.subject or user.role in EHR_ROLES:
            return False
        if not super().has_permission(request):
            return False
        if not hasattr(request, "glass"):
            request.glass = glass.standing(user, at=timezone.now())  # type: ignore[attr-defined]
        return not request.glass.late  # type: ignore[attr-defined]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page says: that the glass is broken, here or by somebody who waits for this user's review."""
        context: dict[str, Any] = super().each_context(request)
        user, standing = request.user, getattr(request, "glass", None)
        if standing is not None and isinstance(user, User):
            waiting = (
                BreakGlass.objects.filter(reviewed_at=None).exclude(user=user) if user.role in glass.REVIEWERS else ()
            )
            context |= {"glass": standing.open, "to_review": list(waiting[:5])}
        return context

    def get_urls(self) -> list[Any]:
        """Pages that belong to no table."""
        from ehrcommerce.accounts import backup_pages, figures, finding, oversight

        mine = [
            path("backup-codes/", self.admin_view(backup_pages.page), name="backup_codes"),
            path("find/", self.admin_view(finding.page), name="find"),
            path("figures/", self.admin_view(figures.page), name="figures"),
            path("reveal/<str:what>/<int:pk>/", self.admin_view(oversight.reveal_page), name="reveal"),
            path("break-glass/", self.admin_view(oversight.break_glass), name="break_glass"),
        ]
        return [*mine, *super().get_urls()]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Pages are looked at and forms are posted. Django's views take every other method for a look."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in METHODS:
                return HttpResponseNotAllowed(METHODS)
            answer: HttpResponseBase = inner(request, *args, **kwargs)
            return answer

        return guarded

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """No field here completes what is typed: a list of rows by their first letters is a search without a page."""
        raise Http404


site = EhrcAdminSite(name="admin")
