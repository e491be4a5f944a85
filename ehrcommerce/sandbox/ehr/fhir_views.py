"""FHIR over HTTP: tokens, bodies and headers in, FHIR JSON out. The meaning is in fhir_interactions, fhir_batch."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from ehrcommerce.sandbox.ehr import fhir_batch, fhir_json
from ehrcommerce.sandbox.ehr.fhir_access import access_of
from ehrcommerce.sandbox.ehr.fhir_errors import FhirRefusal, NotAllowed, NotJson
from ehrcommerce.sandbox.ehr.fhir_interactions import Ask, Reply, perform, refused
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import Knobs

FHIR_JSON = "application/fhir+json; charset=utf-8"
JSON_TYPES = ("application/fhir+json", "application/json")
FORM = "application/x-www-form-urlencoded"


@csrf_exempt
def base(request: HttpRequest) -> HttpResponse:
    """POST of a batch or transaction."""
    return _answer(request, "")


@csrf_exempt
def resource(request: HttpRequest, path: str) -> HttpResponse:
    """Everything below a type."""
    return _answer(request, path)


def _answer(request: HttpRequest, path: str) -> HttpResponse:
    try:
        reply = _reply(request, path)
    except FhirRefusal as refusal:
        reply = refused(refusal)
    response = HttpResponse(reply.text, status=reply.status, content_type=FHIR_JSON, headers=reply.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def _reply(request: HttpRequest, path: str) -> Reply:
    access = access_of(request.headers.get("Authorization", ""))
    knobs = Knobs.current()
    at = timezone.now()
    if path:
        return perform(_ask(request, path), access, knobs, at=at)
    if request.method != "POST":
        raise NotAllowed("POST a batch or a transaction here.")
    return fhir_batch.run(_body(request), access, knobs, at=at)


def _ask(request: HttpRequest, path: str) -> Ask:
    query = request.META.get("QUERY_STRING", "")
    if path.endswith("/_search"):
        if request.content_type != FORM:
            raise NotJson("A POST search is sent as a form.")
        form = request.body.decode("utf-8", "replace")
        query = "&".join(part for part in (query, form) if part)
        return Ask(request.method or "", path, query, request.headers)
    body = _body(request) if request.method in ("POST", "PUT") else None
    return Ask(request.method or "", path, query, request.headers, body)


def _body(request: HttpRequest) -> Json:
    if request.content_type not in JSON_TYPES:
        raise NotJson("Send application/fhir+json.")
    try:
        return fhir_json.parse_object(request.body)
    except (ValueError, RecursionError) as mistake:
        raise FhirRefusal("The body is not a JSON object.") from mistake
