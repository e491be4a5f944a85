"""The addresses that an EHR's CDS client calls, below /hooks/cds/<connection>/. A call that cannot be answered in time, or
has nothing to say, gets an empty list of cards: no fault of ours may hold up a signature."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from ehrcommerce.accounts.agreements import NoAgreement
from ehrcommerce.disclosure.hook_calls import BadHookCall
from ehrcommerce.ehr import cds_hooks, launching
from ehrcommerce.ehr.cds_hooks import CallRefused, Deadline, TooLate
from ehrcommerce.ehr.errors import StateUnknown
from ehrcommerce.ehr.models import HookClient

logger = logging.getLogger(__name__)
MOST_BYTES = 1024 * 1024

Act = Callable[[HookClient, bytes, Deadline], HttpResponse]


@require_safe
def services(request: HttpRequest, slug: str) -> HttpResponse:
    """H1: the same for every connection and also without the database."""
    return JsonResponse(cds_hooks.services(), headers={"Cache-Control": "public, max-age=3600"})


@csrf_exempt  # signed by the EHR; no browser and no cookie is involved
@require_POST
def service(request: HttpRequest, slug: str, service_id: str) -> HttpResponse:
    def act(client: HookClient, body: bytes, deadline: Deadline) -> HttpResponse:
        return _cards(cds_hooks.cards(client, body, hook=service_id, at=timezone.now(), deadline=deadline))

    return _answer(request, slug, service_id, act)


@csrf_exempt  # as above
@require_POST
def feedback(request: HttpRequest, slug: str, service_id: str) -> HttpResponse:
    def act(client: HookClient, body: bytes, deadline: Deadline) -> HttpResponse:
        try:
            told = cds_hooks.read_feedback(body)
        except ValueError as problem:
            raise BadHookCall from problem
        with deadline.transaction():
            cds_hooks.note_feedback(client.connection, told, at=timezone.now())
        return HttpResponse(status=200)

    return _answer(request, slug, service_id, act)


def _answer(request: HttpRequest, slug: str, service_id: str, act: Act) -> HttpResponse:
    deadline = Deadline.begin()
    if service_id not in cds_hooks.SERVICES:
        return HttpResponse(status=404)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        client = _caller(request, slug, deadline)
        if request.content_type not in ("application/json", "application/fhir+json"):
            return HttpResponse(status=415)
        return act(client, request.body, deadline)
    except CallRefused as refusal:
        # One word of ours: nothing that came from outside.
        logger.warning("cds call refused: %s", refusal)
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    except BadHookCall:
        return HttpResponse(status=400)
    except (NoAgreement, TooLate):
        return _cards([])
    except (OperationalError, InterfaceError) as problem:
        logger.warning("cds call unanswered: %s", type(problem).__name__)
        return _cards([])


def _caller(request: HttpRequest, slug: str, deadline: Deadline) -> HookClient:
    """Who calls, and that it is the first time. Raises CallRefused, TooLate."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise CallRefused("unsigned")
    with deadline.transaction():
        try:
            connection = launching.connection_by_slug(slug)
        except StateUnknown as problem:
            raise CallRefused("unknown") from problem
        client = cds_hooks.client_of(connection)
    client.connection = connection
    url, now_s = f"{settings.CLINIC_URL}{request.path}", timezone.now().timestamp()
    keys_for = cds_hooks.keys_in_time(connection, client, deadline)
    caller = cds_hooks.check_call(client, token.strip(), url=url, keys_for=keys_for, now_s=now_s)
    cds_hooks.take(connection, caller, deadline)
    return client


def _cards(cards: list[dict[str, Any]]) -> HttpResponse:
    return JsonResponse({"cards": cards})


_BASE = "cds/<slug:slug>/cds-services"
urlpatterns = [
    path(_BASE, services, name="cds_services"),
    path(f"{_BASE}/<slug:service_id>", service, name="cds_service"),
    path(f"{_BASE}/<slug:service_id>/feedback", feedback, name="cds_feedback"),
]
