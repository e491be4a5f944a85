"""What a browser may do with our pages. Strict everywhere, with two exceptions that a view asks for by name:

- `request.csp_frame_ancestors`: origins whose pages may frame this one (the EHR of the launch);
- `request.csp_form_action`: origins that a form's redirect may lead to (the payment page, the EHR's sign-in)."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from ehrcommerce.accounts.areas import CLINIC
from ehrcommerce.ehr.sessions import frames_of

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.*-]+(:(\d{1,5}|\*))?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'{form_action}; frame-ancestors {frame_ancestors}"
)
_ALWAYS = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}


class HeadersMiddleware(MiddlewareMixin):
    """Sets what is missing: a view that knows better (Cache-Control of the key set) keeps its own value."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        ancestors = origins(_ancestors(request))
        targets = origins(getattr(request, "csp_form_action", ()))
        response.headers["Content-Security-Policy"] = _POLICY.format(
            form_action="".join(f" {target}" for target in targets), frame_ancestors=" ".join(ancestors) or "'none'"
        )
        if not ancestors:
            response.headers["X-Frame-Options"] = "DENY"
        for name, value in _ALWAYS.items():
            response.headers.setdefault(name, value)
        return response


def _ancestors(request: HttpRequest) -> Iterable[str]:
    """Where a clinic page was refused before its view could say so, the EHR's frame must still be able to show why."""
    named: Iterable[str] | None = getattr(request, "csp_frame_ancestors", None)
    if named is None and getattr(request, "area", "") == CLINIC:
        return frames_of(getattr(request, "launch_key", ""))
    return named or ()


def origins(wished: Iterable[str]) -> list[str]:
    """Those that are origins and nothing else: a row's text must not be able to end the directive."""
    return [text for text in (wish.strip() for wish in wished) if _ORIGIN.fullmatch(text)]
