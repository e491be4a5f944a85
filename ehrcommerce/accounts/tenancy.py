"""A request stands in the walls of one organization at most, and the next request on this connection in none."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from ehrcommerce.accounts import idle
from ehrcommerce.accounts.areas import STAFF
from ehrcommerce.vault import walls


class WallsMiddleware:
    """Enters for signed-in staff; views enter for clinicians and patients. Leaves in any case, also after a fault."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        finally:
            if walls.current() is not None:
                walls.leave()

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """After all other middlewares, so the user is known. An anonymous visitor costs no query."""
        if getattr(request, "area", "") == STAFF and request.user.is_authenticated and not idle.is_over(request):
            walls.enter(request.user.organization_id)
