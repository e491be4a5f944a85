"""Two questions of a load balancer: does the process answer (no database asked), and may it get requests."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.urls import path

from ehrcommerce.ehr import keys
from ehrcommerce.urls.errors import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


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


urlpatterns = [path("healthz", healthz, name="healthz"), path("readyz", readyz, name="readyz")]
