"""What a load balancer and a monitor ask: does the process answer (no database asked), may it get requests, does the
sweeper live, and how long does work wait. Answers name no organization and no person."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from ehrcommerce.ehr import keys
from ehrcommerce.outbox import watch
from ehrcommerce.settings.logs import lost_lines
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

LOST = (
    "# HELP ehrc_log_lines_lost Lines that this process could not write: the disk is full, or nobody reads.\n"
    "# TYPE ehrc_log_lines_lost gauge\nehrc_log_lines_lost "
)
__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, is migrated, and holds the keys that EHRs ask for; else 503 and which is
    missing."""
    missing = not_ready()
    return HttpResponse(missing or "ok", content_type="text/plain", status=503 if missing else 200)


def not_ready() -> str:
    """The first thing that is missing, "" when nothing is."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations"
        return "" if keys.public_set()["keys"] else "keys"
    except DatabaseError:
        return "database"


@require_safe
def sweeper(request: HttpRequest) -> HttpResponse:
    """The dead-man alarm: 503 once the sweeper was not heard for a minute, or the database cannot say."""
    try:
        silent = watch.is_silent()
    except DatabaseError:
        silent = True
    return HttpResponse("silent" if silent else "ok", content_type="text/plain", status=503 if silent else 200)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For a monitor on this machine, or one that brings EHRC_METRICS_TOKEN; for others there is no such page."""
    if not may_measure(request):
        return HttpResponse(status=404)
    try:
        text = f"{watch.metrics()}{LOST}{lost_lines()}\n"
        return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")
    except DatabaseError:
        return HttpResponse("database", content_type="text/plain", status=503)


def may_measure(request: HttpRequest) -> bool:
    """Behind a proxy everybody seems to be on this machine: then only the token counts."""
    token = settings.METRICS_TOKEN
    if token:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")
    through_proxy = any(request.headers.get(name) for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip"))
    return request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1") and not through_proxy


urlpatterns = [
    path("healthz", healthz, name="healthz"), path("healthz/sweeper", sweeper, name="healthz_sweeper"),
    path("readyz", readyz, name="readyz"), path("metrics", metrics, name="metrics"),
]  # fmt: skip
