"""Who may steer the sandbox: a request with the control token. Everyone else is told that there is nothing here."""

import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def steered(view: View[P]) -> View[P]:
    """Only with the header X-Sandbox-Control; a ValueError in the view is the caller's mistake and answered 400."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        told = request.headers.get("X-Sandbox-Control", "")
        if not secrets.compare_digest(told.encode(), settings.CONTROL_TOKEN.encode()):
            raise Http404
        try:
            return view(request, *args, **kwargs)
        except ValueError as mistake:
            return JsonResponse({"error": "bad_request", "detail": str(mistake)}, status=400)

    return guarded


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty object. Raises ValueError."""
    data = json.loads(request.body or b"{}")
    if not isinstance(data, dict):
        raise ValueError("the body is a JSON object")
    return data
