"""Who is signed in to the EHR's pages. The signed cookie names the user; nothing else is in it."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from ehrcommerce.sandbox.ehr.models import EhrUser

P = ParamSpec("P")
USER_KEY = "ehr_user"


def signed_in(request: HttpRequest) -> EhrUser | None:
    """The clinician of this browser."""
    username = request.session.get(USER_KEY)
    return EhrUser.objects.filter(username=username).first() if username else None


def sign_in(request: HttpRequest, user: EhrUser) -> None:
    """From here on this browser is that clinician's."""
    request.session[USER_KEY] = user.username


def cookie_value(user: EhrUser) -> str:
    """The value of a session cookie that is signed in, for tests that do not want to type."""
    session = SessionStore()
    session[USER_KEY] = user.username
    session.save()
    return str(session.session_key)


def clinician_required(
    view: Callable[Concatenate[HttpRequest, EhrUser, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """The view is called with the clinician; nobody else gets past the sign-in page."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        user = signed_in(request)
        if user is None:
            return redirect(f"{reverse('ehr-login')}?{urlencode({'next': request.get_full_path()})}")
        return view(request, user, *args, **kwargs)

    return guarded
