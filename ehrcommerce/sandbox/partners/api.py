"""How every partner's API is spoken to: a bearer key, JSON in and out, and one act for one idempotency key.

The whole act is one transaction, answer included. If the answer is then lost on the wire, the act is found again: by
the same key, or by the reference it was given. A refusal changed nothing and is therefore not remembered.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from .models import FirstAnswer

LARGEST_BODY = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to one partner, read and checked as far as all partners check alike."""

    partner: str
    at: datetime
    query: QueryDict
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status and what goes with it."""

    body: dict[str, Any]
    status: int = 200


class Refused(Exception):
    """The partner did not do what it was asked to. Read `error` in the answer, correct the request, send it again."""

    def __init__(self, status: int, error: str, /, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, **more}


Handler = Callable[..., Answer]
View = Callable[..., HttpResponseBase]


def api(partner: str, *, get: Handler | None = None, post: Handler | None = None) -> View:
    """A view for one path of one partner. Handlers get the Call and what the path named."""

    def view(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            return _answer(request, partner, {"GET": get, "HEAD": get, "POST": post}, named)
        except Refused as refusal:
            return _json(refusal.body, refusal.status)

    return csrf_exempt(view)


def _answer(
    request: HttpRequest, partner: str, handlers: dict[str, Handler | None], named: dict[str, str]
) -> HttpResponse:
    _require_key(request)
    handler = handlers.get(request.method or "")
    if handler is None:
        raise Refused(405, "method_not_allowed")
    if request.method == "POST":
        return _once(request, partner, handler, named)
    answer = handler(Call(partner=partner, at=timezone.now(), query=request.GET), **named)
    return _json(answer.body, answer.status)


def _require_key(request: HttpRequest) -> None:
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {settings.PARTNER_API_KEY}".encode()):
        raise Refused(401, "unauthorized")


def _once(request: HttpRequest, partner: str, handler: Handler, named: dict[str, str]) -> HttpResponse:
    """Run the handler if the key is new, else give the first answer again."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Refused(400, "idempotency_key_missing")
    raw = request.body
    digest = hashlib.sha256(raw).hexdigest()
    with transaction.atomic():
        wait_for_turn(f"{partner} {key}")
        first = FirstAnswer.objects.filter(partner=partner, key=key).first()
        if first is not None:
            return _again(first, path=request.path, digest=digest)
        at = timezone.now()
        answer = handler(Call(partner=partner, at=at, query=request.GET, body=read_object(raw)), **named)
        FirstAnswer.objects.create(
            partner=partner, key=key, path=request.path, body_sha256=digest, answer=answer.body, created_at=at
        )
    return _json(answer.body, answer.status)


def wait_for_turn(name: str) -> None:
    """Two requests with one key at the same moment: the second waits here until the first has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _again(first: FirstAnswer, *, path: str, digest: str) -> HttpResponse:
    if (first.path, first.body_sha256) != (path, digest):
        raise Refused(409, "idempotency_key_reused")
    response = _json(first.answer, 200)
    response["Idempotent-Replayed"] = "true"
    return response


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes; no bytes are an empty object."""
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "body_too_large")
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise Refused(400, "not_json") from None
    if not isinstance(body, dict):
        raise Refused(400, "not_an_object")
    return body


def _json(body: dict[str, Any], status: int) -> HttpResponse:
    response = JsonResponse(body, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    response["Cache-Control"] = "no-store"
    return response
