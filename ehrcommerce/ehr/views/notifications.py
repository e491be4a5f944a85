"""Where EHRs tell us of changes. Proved, written down, answered: no EHR is asked here, and nothing of a body is logged."""

from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from ehrcommerce.ehr import alerts, inbox, schemes
from ehrcommerce.ehr.models import Subscription
from ehrcommerce.suppliers import client_certificates
from ehrcommerce.suppliers.errors import NoCertificate
from ehrcommerce.vault import walls

MAX_BYTES = 262_144
# Of the row and its connection: no more is read than an answer needs, since many come at once.
NEEDED = (
    *(field.attname for field in Subscription._meta.concrete_fields),
    *(f"connection__{name}" for name in ("enabled", "public_id", "organization", "fhir_base")),
)
JSON = ("application/json", "application/fhir+json")


@csrf_exempt  # proved by a secret of the EHR; no browser and no cookie is involved
@require_POST
def notification(request: HttpRequest, hook_id: UUID) -> HttpResponse:
    """200 once it is written down, or was before; 503 where it cannot be, so that the EHR tells it again."""
    return _taken(request, hook_id)


@csrf_exempt  # as above
@require_http_methods(["PUT"])
def put_below(request: HttpRequest, hook_id: UUID, resource_type: str, resource_id: str) -> HttpResponse:
    """R4 rest-hook with payload: the EHR writes each resource behind our address (docs/events.md: of its access log)."""
    return _taken(request, hook_id, f"{resource_type}/{resource_id}")


def _taken(request: HttpRequest, hook_id: UUID, put_at: str = "") -> HttpResponse:
    try:
        return _receive(request, hook_id, put_at)
    except (DatabaseError, InterfaceError):
        connection.close()
        return HttpResponse(status=503, headers={"Retry-After": "5"})


def _receive(request: HttpRequest, hook_id: UUID, put_at: str) -> HttpResponse:
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    if not length.isdigit() or int(length) > MAX_BYTES:
        return HttpResponse(status=413)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM ehrc_ehr_hook(%s)", [hook_id])
        found = cursor.fetchone()
    if found is None:
        return HttpResponse(status=404)
    pk, organization_id = found
    with walls.organization(organization_id):
        row = Subscription.objects.select_related("connection").only(*NEEDED).get(pk=pk)
        if not row.connection.enabled:
            return HttpResponse(status=404)
        return HttpResponse(status=_answer(request, row, put_at))


def _answer(request: HttpRequest, row: Subscription, put_at: str) -> int:
    """415, 401 and 400 as the specification has them (S1-S7). A body that is packed is not unpacked."""
    at, body = timezone.now(), request.body
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return 415
    if body and request.content_type not in JSON:
        return 415
    try:
        client_certificates.require_one_of(request, row.client_certificates, at)
        schemes.require_theirs(row, request.headers, body, at)
    except (NoCertificate, schemes.NotTheirs):
        inbox.refused(row)
        return 401
    try:
        heard = schemes.read(row, request.headers, body, put_at=put_at)
    except schemes.OtherSubscription:
        alerts.note(row.connection, alerts.OTHER, at)
        return 400
    except schemes.NotUnderstood:
        return 400
    if heard.kind != schemes.ANSWER:  # answers to questions of ours do not come by themselves
        inbox.take(row, heard, at)
    return 200
