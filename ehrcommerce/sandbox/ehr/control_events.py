"""Steering what the EHR tells by itself: who is told, what was told and how that went, and telling it again."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.sandbox.ehr import messenger, subscribing
from ehrcommerce.sandbox.ehr.models import Message, Subscriber
from ehrcommerce.sandbox.journal.control import json_body, steered

FIELDS = {"name", "profile", "scheme", "endpoint", "headers", "secret", "content", "types", "topic", "heartbeat_s"}
SHOWN = 500


@steered
@require_http_methods(["GET", "POST", "PATCH", "DELETE"])
def subscriptions(request: HttpRequest) -> HttpResponse:
    """POST makes one that no FHIR resource stands for, as vendors' own pages do; GET lists all; PATCH {"name", "state"}
    gives one up; DELETE {"name"}."""
    if request.method == "GET":
        return JsonResponse({"subscriptions": [_shown(row) for row in Subscriber.objects.order_by("pk")]})
    wish = json_body(request)
    if request.method == "DELETE":
        Subscriber.objects.filter(name=wish["name"]).delete()
        return HttpResponse(status=204)
    if request.method == "PATCH":
        row = Subscriber.objects.get(name=wish["name"])
        with transaction.atomic():
            subscribing.set_state(row, str(wish["state"]), at=timezone.now())
        return JsonResponse(_shown(row))
    if strange := set(wish) - FIELDS:
        raise ValueError(f"unknown keys: {', '.join(sorted(strange))}")
    if wish.get("scheme") not in subscribing.SCHEMES:
        raise ValueError(f"scheme is one of {', '.join(subscribing.SCHEMES)}")
    values = {"types": [*subscribing.TOLD], "content": subscribing.ID_ONLY, "profile": "", **wish}
    with transaction.atomic():
        row, _ = Subscriber.objects.update_or_create(name=values.pop("name"), defaults={**values, "state": "requested"})
        subscribing.begin(row, at=timezone.now())
    messenger.send_due()
    return JsonResponse(_shown(row))


def _shown(row: Subscriber) -> dict[str, Any]:
    names = ("name", "profile", "scheme", "endpoint", "content", "types", "topic", "state", "number", "heartbeat_s")
    return {name: getattr(row, name) for name in names}


@steered
@require_http_methods(["GET", "POST"])
def messages(request: HttpRequest) -> HttpResponse:
    """GET ?subscription= lists what was told, oldest first; POST {"subscription", "numbers"?} tells it again."""
    if request.method == "GET":
        rows = Message.objects.filter(subscriber__name=request.GET.get("subscription", "")).order_by("pk")
        return JsonResponse({"messages": [_told(row) for row in rows[:SHOWN]]})
    wish = json_body(request)
    rows = Message.objects.filter(subscriber__name=wish["subscription"], kind=subscribing.EVENT)
    if "numbers" in wish:
        rows = rows.filter(number__in=wish["numbers"])
    again = rows.update(next_try_at=timezone.now(), tries=0)
    messenger.send_due()
    return JsonResponse({"again": again})


def _told(row: Message) -> dict[str, Any]:
    names = ("kind", "number", "focus", "version", "tries", "outcome")
    return {**{name: getattr(row, name) for name in names}, "taken": row.delivered_at is not None}
