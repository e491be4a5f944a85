"""The stranger: another origin, served by this very process, that poisoned answers point at.

Nothing of the app may ever go there. Whatever arrives all the same is written down, so that a test can say that
nothing did.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ehrcommerce.sandbox.journal import recording

PARTNER: Final = "stranger"
OTHER_NAME: Final = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
OWN_PATHS: Final = ("/control/", "/healthz")
TEAPOT: Final = 418


def stranger_origin() -> str:
    """The foreign origin: the other name of loopback, on the port of this site."""
    parts = urlsplit(settings.BASE_URL)
    name = OTHER_NAME.get(parts.hostname or "", "localhost")
    return urlunsplit((parts.scheme, f"{name}:{parts.port}" if parts.port else name, "", "", ""))


class StrangerMiddleware:
    """Records what reaches the foreign origin, and answers it 418."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        host = request.META.get("HTTP_HOST", "")
        if host != urlsplit(stranger_origin()).netloc or request.path.startswith(OWN_PATHS):
            return self.get_response(request)
        recording.record(
            partner=PARTNER,
            method=request.method or "",
            path=request.path,
            started=time.time(),
            query=request.META.get("QUERY_STRING", ""),
            headers=dict(request.headers),
            body=request.body,
            status=TEAPOT,
            connection=f"{request.META.get('REMOTE_ADDR', '')}:{request.META.get('REMOTE_PORT', '')}",
        )
        return HttpResponse(b"nobody of this sandbox lives here", status=TEAPOT, content_type="text/plain")
