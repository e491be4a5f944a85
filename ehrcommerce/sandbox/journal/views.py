"""Reading the journal, planting faults, and resetting, for tests."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from ehrcommerce.sandbox import hooks
from ehrcommerce.sandbox.journal.control import json_body, steered
from ehrcommerce.sandbox.journal.models import ConformanceCheck, Fault, JournalEntry
from ehrcommerce.sandbox.journal.strangers import PARTNER, stranger_origin

PAGE = 2000
"""Entries in one answer; the caller goes on with `since_id`."""


def healthz(request: HttpRequest) -> HttpResponse:
    """The site answers."""
    return HttpResponse("ok", content_type="text/plain")


@steered
@require_http_methods(["GET"])
def journal(request: HttpRequest) -> HttpResponse:
    """Entries oldest first: ?partner=, ?since_id= (excluded), ?path= (part of the path)."""
    entries = JournalEntry.objects.filter(id__gt=int(request.GET.get("since_id") or 0)).order_by("id")
    if partner := request.GET.get("partner"):
        entries = entries.filter(partner=partner)
    if path := request.GET.get("path"):
        entries = entries.filter(path__contains=path)
    return JsonResponse({"entries": [entry.as_json() for entry in entries[:PAGE]]})


@steered
@require_http_methods(["GET"])
def conformance(request: HttpRequest) -> HttpResponse:
    """What clients kept to, oldest first: ?since= (excluded), ?profile=, ?client_id=."""
    rows = ConformanceCheck.objects.filter(id__gt=int(request.GET.get("since") or 0)).order_by("id")
    for name in ("profile", "client_id"):
        if name in request.GET:
            rows = rows.filter(**{name: request.GET[name]})
    return JsonResponse([row.as_json() for row in rows[:PAGE]], safe=False)


@steered
@require_http_methods(["GET"])
def conformance_mark(request: HttpRequest) -> HttpResponse:
    """The greatest id so far."""
    return JsonResponse({"mark": _greatest(ConformanceCheck.objects.all())})


@steered
@require_http_methods(["GET"])
def strangers(request: HttpRequest) -> HttpResponse:
    """What arrived at the foreign origin: ?since= (excluded)."""
    rows = JournalEntry.objects.filter(partner=PARTNER)
    found = rows.filter(id__gt=int(request.GET.get("since") or 0)).order_by("id")[:PAGE]
    shown = ("id", "method", "path", "query", "headers", "body")
    requests = [{**{name: getattr(row, name) for name in shown}, "at": row.started} for row in found]
    return JsonResponse({"origin": stranger_origin(), "mark": _greatest(rows), "requests": requests})


def _greatest(rows: QuerySet[Any]) -> int:
    return rows.order_by("-id").values_list("id", flat=True).first() or 0


@steered
@require_http_methods(["GET", "POST", "DELETE"])
def faults(request: HttpRequest) -> HttpResponse:
    """Plant one fault, list them, or pull all of them out."""
    if request.method == "POST":
        return JsonResponse(Fault.planted(json_body(request)).as_json(), status=201)
    if request.method == "DELETE":
        Fault.objects.all().delete()
        return HttpResponse(status=204)
    return JsonResponse({"faults": [fault.as_json() for fault in Fault.objects.order_by("id")]})


@steered
@require_http_methods(["POST"])
def reset(request: HttpRequest) -> HttpResponse:
    """Clear one room of the sandbox, or all of them."""
    what = str(json_body(request).get("what", hooks.ALL))
    if what not in hooks.resettable():
        raise ValueError(f"what is one of {', '.join(hooks.resettable())}")
    hooks.reset(what)
    return JsonResponse({"reset": what})
