"""The admin site. Each of its pages asks for a user who also gave a one-time code in this session, not the login alone.

The devices stand in django-otp's own table, outside the walls: its rows hold no organization and must be read to find
out who signs in. A row is only ever looked up by the id of a user who was found inside the walls. The form of the
sign-in is signin.py."""

from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django_otp.admin import OTPAdminSite

from ehrcommerce.accounts.models import EHR_ROLES, User

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
        return bool(super().has_permission(request))

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
