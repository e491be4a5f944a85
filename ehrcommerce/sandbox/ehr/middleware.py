"""Two thin layers: the EHR that an address belongs to, with a delay that tests turn on, and the page headers."""

import re
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.ehr import profiles, surroundings

Answer = Callable[[HttpRequest], HttpResponseBase]
SLOWED = ("/fhir/", "/auth/token")
PROFILE = re.compile(r"/profiles/([^/]+)/")


class SurroundingsMiddleware:
    """Enters the profile that an address names, and leaves it after the answer; adds the knob `latency_ms`."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            surroundings.enter(_profile(request.path))
        except profiles.NoProfile:
            return HttpResponse(b"no such profile", status=404, content_type="text/plain")
        try:
            response = self.get_response(request)
            if _is_slowed(request.path) and (latency_ms := surroundings.here().knobs["latency_ms"]):
                time.sleep(float(latency_ms) / 1000)
            return response
        finally:
            surroundings.leave()

    def process_view(self, request: HttpRequest, view: object, args: list[object], kwargs: dict[str, object]) -> None:
        """The views are the same at every EHR: none of them is told the profile."""
        kwargs.pop("profile", None)


def _profile(path: str) -> str:
    match = PROFILE.match(path)
    return match[1] if match else ""


def _is_slowed(path: str) -> bool:
    return PROFILE.sub("/", path).startswith(SLOWED)


class PageHeadersMiddleware:
    """Pages may be framed by this site and by the app, and may frame and post to the app; nothing else."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            app = settings.APP_URL
            response.headers.setdefault(
                "Content-Security-Policy",
                f"default-src 'self'; img-src 'self' data:; frame-src 'self' {app}; frame-ancestors 'self' {app}; "
                f"form-action 'self' {app}; base-uri 'none'; object-src 'none'",
            )
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response
