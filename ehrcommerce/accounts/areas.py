"""One Django, four areas with different cookies: which area a path belongs to, and the middlewares that obey it.

- `clinic` (/ehr/): may live in a frame of the EHR. One session and one Partitioned cookie for each launch, so that two
  charts in two tabs never share anything (docs/decisions/0004).
- `patient` (/l/, /c/): no Django session at all. Forms are guarded by where the request comes from and a signed cookie.
- `machine` (/hooks/, /.well-known/, /healthz, /readyz, /metrics): no session, no cookie; hooks are signed by who sends them.
- `staff` (all the rest): Django's session under its own cookie, which is never looked at in the other areas.

Each class here extends Django's own of the same purpose, so that Django's checks still know what is installed."""

import re
import secrets
from http.cookies import Morsel
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.utils import translation
from django_otp.middleware import OTPMiddleware

CLINIC, PATIENT, MACHINE, STAFF = "clinic", "patient", "machine", "staff"
_BEGINNINGS = (
    ("/ehr/", CLINIC), ("/l/", PATIENT), ("/c/", PATIENT), ("/about/", PATIENT),
    ("/hooks/", MACHINE), ("/.well-known/", MACHINE), ("/healthz", MACHINE), ("/readyz", MACHINE), ("/metrics", MACHINE),
)  # fmt: skip

LAUNCH_PATH, CALLBACK_PATH = "/ehr/launch", "/ehr/callback/"
LAUNCH_COOKIE = "__Host-l-"
# A day of launches would make a Cookie header that servers refuse (about 8 kB); this many stay under 2 kB.
MOST_LAUNCH_COOKIES = 20
GUARD_COOKIE, GUARD_FIELD = "__Host-guard", "guard"
LANGUAGE_COOKIE = "__Host-language"
# Of every launch cookie, also of one that is deleted.
_ATTRIBUTES: dict[str, Any] = {
    "path": "/", "secure": True, "httponly": True, "samesite": "None", "partitioned": True,
}  # fmt: skip
_KEY = re.compile(r"[\w-]{12}", re.ASCII)
_PAGE = re.compile(r"/ehr/c/([\w-]{12})/", re.ASCII)

# Python learned this attribute in 3.14. Both tables are the class's own registry of known attributes.
Morsel._reserved.setdefault("partitioned", "Partitioned")  # type: ignore[attr-defined]
Morsel._flags.add("partitioned")  # type: ignore[attr-defined]


def area_of(path: str) -> str:
    """The area that serves this path."""
    return next((area for beginning, area in _BEGINNINGS if path.startswith(beginning)), STAFF)


def new_launch_key() -> str:
    """12 characters that name a launch in URLs. Not a secret: the launch's cookie is."""
    return secrets.token_urlsafe(9)


def launch_key_of(request: HttpRequest) -> str:
    """Which launch a clinic path speaks of. A launch URL always begins a new one: no cookie is reused there."""
    if request.path_info.startswith(CALLBACK_PATH):
        key = request.GET.get("state", "").partition(".")[0]
        return key if _KEY.fullmatch(key) else new_launch_key()
    page = _PAGE.match(request.path_info)
    return page[1] if page else new_launch_key()


class NoSession(SessionBase):
    """Stands where there is no session: always empty, and writing to it is a mistake of ours."""

    def load(self) -> dict[str, Any]:
        return {}

    def __setitem__(self, key: str, value: Any) -> None:
        raise TypeError("There is no session on this path. Keep the value in a row of its own.")


class AreaSessionMiddleware(SessionMiddleware):
    """Staff cookie for staff, one cookie a launch for the clinic, nothing for the others."""

    def process_request(self, request: HttpRequest) -> None:
        request.area = area_of(request.path_info)  # type: ignore[attr-defined]
        request.launch_key = ""  # type: ignore[attr-defined]
        if request.area in (PATIENT, MACHINE):  # type: ignore[attr-defined]
            request.session = NoSession()
            return
        if request.area == CLINIC:  # type: ignore[attr-defined]
            request.launch_key = launch_key_of(request)  # type: ignore[attr-defined]
            hand_over_cookie(request, LAUNCH_COOKIE + request.launch_key)  # type: ignore[attr-defined]
        super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if isinstance(request.session, NoSession):
            return response
        answer: HttpResponse = super().process_response(request, response)
        if request.area == CLINIC:  # type: ignore[attr-defined]
            rename_cookie(answer, LAUNCH_COOKIE + request.launch_key)  # type: ignore[attr-defined]
            forget_oldest_launches(request, answer)
        return answer


def enter_launch(request: HttpRequest, key: str) -> None:
    """Begin a new, empty session under another launch key: a new attempt is a new place."""
    request.launch_key = key  # type: ignore[attr-defined]
    hand_over_cookie(request, "")
    request.session = type(request.session)()


def hand_over_cookie(request: HttpRequest, name: str) -> None:
    """Let Django's session find the cookie `name` under the name it looks for, and the staff cookie not at all."""
    value = request.COOKIES.get(name)
    others = {other: kept for other, kept in request.COOKIES.items() if other != settings.SESSION_COOKIE_NAME}
    request.COOKIES = {**others, **({settings.SESSION_COOKIE_NAME: value} if value else {})}


def rename_cookie(response: HttpResponse, name: str) -> None:
    """The session cookie that Django just set or deleted, under the launch's name. Deleting needs Partitioned as
    well."""
    morsel = response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
    if morsel is None:
        return
    response.cookies[name] = morsel.value
    response.cookies[name].update({**_ATTRIBUTES, "max-age": morsel["max-age"], "expires": morsel["expires"]})


def forget_oldest_launches(request: HttpRequest, response: HttpResponse) -> None:
    """Where the answer sets one more launch cookie than a browser should carry, the oldest go: browsers send the older
    cookie first (RFC 6265, section 5.4). Their launches say that they are over."""
    new = [name for name in response.cookies if name.startswith(LAUNCH_COOKIE) and response.cookies[name].value]
    held = [name for name, value in request.COOKIES.items() if name.startswith(LAUNCH_COOKIE) and value]
    held = [name for name in held if name not in new]
    for name in held[: max(len(held) + len(new) - MOST_LAUNCH_COOKIES, 0)] if new else []:
        response.cookies[name] = ""
        gone: dict[str, Any] = {"max-age": 0, "expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
        response.cookies[name].update({**_ATTRIBUTES, **gone})


class AreaAuthenticationMiddleware(AuthenticationMiddleware):
    """Staff: Django's lazy user, who also knows of the one-time code (django-otp's own logic). Elsewhere nobody is
    signed in until a view says so: a clinician by the launch, a patient by the checkout row."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.otp = OTPMiddleware(get_response)

    def process_request(self, request: HttpRequest) -> None:
        if request.area != STAFF:  # type: ignore[attr-defined]
            request.user = AnonymousUser()
            return
        super().process_request(request)
        self.otp._install_lazy_accessors(request)


class AreaCsrfMiddleware(CsrfViewMiddleware):
    """Clinic and staff: Django's check, its secret kept in the session of that area. Patients: the request must come
    from our own page (Sec-Fetch-Site, else Origin) and bring the field that belongs to its signed cookie."""

    def process_request(self, request: HttpRequest) -> None:
        if request.area in (CLINIC, STAFF):  # type: ignore[attr-defined]
            super().process_request(request)

    def process_view(self, request: HttpRequest, callback: Any, callback_args: Any, callback_kwargs: Any) -> Any:
        if request.area == MACHINE:  # type: ignore[attr-defined]
            return None
        if request.area != PATIENT:  # type: ignore[attr-defined]
            return super().process_view(request, callback, callback_args, callback_kwargs)
        safe = request.method in ("GET", "HEAD", "OPTIONS", "TRACE")
        if safe or getattr(request, "_dont_enforce_csrf_checks", False):
            return None
        if self._comes_from_us(request) and guard_matches(request):
            return None
        return self._reject(request, "The form was not sent from our own page.")

    def _comes_from_us(self, request: HttpRequest) -> bool:
        site = request.headers.get("Sec-Fetch-Site", "")
        if site:
            return site in ("same-origin", "none")
        return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return render(request, "errors/csrf.html", status=403)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if new := getattr(request, "new_guard", ""):
            response.set_cookie(GUARD_COOKIE, new, secure=True, httponly=True, samesite="Lax", path="/")
        if request.area in (CLINIC, STAFF):  # type: ignore[attr-defined]
            return super().process_response(request, response)
        return response


_cookie_signer, _field_signer = Signer(salt="areas.guard.cookie"), Signer(salt="areas.guard.field")


def guard_of(request: HttpRequest) -> str:
    """The value of the hidden field on a patient's form; makes the cookie that it belongs to when there is none."""
    held = getattr(request, "new_guard", "") or request.COOKIES.get(GUARD_COOKIE, "")
    random = _opened(held)
    if not random:
        random = secrets.token_urlsafe(16)
        request.new_guard = _cookie_signer.sign(random)  # type: ignore[attr-defined]
    return _field_signer.signature(random)


def guard_matches(request: HttpRequest) -> bool:
    """Does the posted field belong to the cookie?"""
    random = _opened(request.COOKIES.get(GUARD_COOKIE, ""))
    try:
        return bool(random) and _field_signer.unsign(f"{random}:{request.POST.get(GUARD_FIELD, '')}") == random
    except BadSignature:
        return False


def _opened(cookie: str) -> str:
    try:
        return _cookie_signer.unsign(cookie)
    except BadSignature:
        return ""


class AreaLocaleMiddleware(LocaleMiddleware):
    """Patients: `?lang=`, then the language they chose before, then (by `speak`) what the clinic knows, then the
    browser. The others: English, the only language that their pages are written in."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.chosen_language = ""  # type: ignore[attr-defined]
        if request.area == PATIENT:  # type: ignore[attr-defined]
            known = dict(settings.LANGUAGES)
            wishes = (request.GET.get("lang", ""), request.COOKIES.get(LANGUAGE_COOKIE, ""))
            request.chosen_language = next((wish for wish in wishes if wish in known), "")  # type: ignore[attr-defined]
            _activate(request, request.chosen_language)  # type: ignore[attr-defined]
        else:
            _activate(request, "en")

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        chosen = getattr(request, "chosen_language", "")
        if chosen and request.GET.get("lang") == chosen:
            response.set_cookie(LANGUAGE_COOKIE, chosen, secure=True, httponly=True, samesite="Lax", path="/")
        answer: HttpResponseBase = super().process_response(request, response)
        return answer


def speak(request: HttpRequest, language: str) -> None:
    """The language that a row knows for this person, unless the person chose another one here."""
    if not getattr(request, "chosen_language", "") and language in dict(settings.LANGUAGES):
        _activate(request, language)


def _activate(request: HttpRequest, language: str) -> None:
    if language:
        translation.activate(language)
        request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE
