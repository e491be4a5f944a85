"""Two thin layers: a delay that tests turn on to see what runs in parallel, and the page headers of this site."""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.ehr.models import Knobs

Answer = Callable[[HttpRequest], HttpResponseBase]
SLOWED = ("/fhir/", "/auth/token")


class LatencyMiddleware:
    """Adds the knob `latency_ms` to each FHIR and token answer."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path.startswith(SLOWED) and (latency_ms := Knobs.current()["latency_ms"]):
            time.sleep(float(latency_ms) / 1000)
        return response


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
