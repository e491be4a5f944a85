"""Pages for what Django itself refuses. Those of a broken server must work when nothing else does: no row, no base, and
for patients both languages at once, since nobody may be left to tell which one is theirs."""

import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.utils import translation

from ehrcommerce.accounts.areas import LANGUAGE_COOKIE, PATIENT, area_of


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _plain(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """A fault of ours; or the database is away for a moment, and the same request is worth another try."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        answer = _plain(request, 503)
        answer.headers["Retry-After"] = "30"
        return answer
    return _plain(request, 500)


handler400, handler403, handler404, handler500 = bad_request, permission_denied, page_not_found, server_error


def _is_patients(request: HttpRequest) -> bool:
    """A patient's page, or any address on the patients' host."""
    return area_of(request.path_info) == PATIENT or getattr(request, "urlconf", "") == "ehrcommerce.urls.patient"


def _plain(request: HttpRequest, status: int) -> HttpResponse:
    page = get_template(f"errors/{status}.html").render({"patient": _is_patients(request)})
    return HttpResponse(page, status=status)


def _page(request: HttpRequest, status: int) -> HttpResponse:
    """In the language of the patient; clinic and staff read English."""
    if not _is_patients(request):
        return render(request, f"errors/{status}.html", status=status)
    with translation.override(_language(request)):
        return render(request, f"errors/{status}.html", {"patient": True}, status=status)


def _language(request: HttpRequest) -> str:
    """`?lang=`, then what was chosen before, then the browser's: also where no middleware has looked at the path."""
    wishes = (request.GET.get("lang", ""), request.COOKIES.get(LANGUAGE_COOKIE, ""))
    chosen = next((wish for wish in wishes if wish in dict(settings.LANGUAGES)), "")
    return chosen or translation.get_language_from_request(request)
