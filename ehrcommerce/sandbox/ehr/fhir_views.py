"""FHIR over HTTP: tokens, bodies and headers in, FHIR JSON out. The meaning is in fhir_interactions, fhir_batch."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from ehrcommerce.sandbox.ehr import (
    answers,
    conformance,
    fhir_batch,
    fhir_json,
    fhir_rules,
    fhir_search,
    fhir_tricks,
    manners,
    rate_limit,
    simulated,
)
from ehrcommerce.sandbox.ehr.fhir_access import Access, access_of, token_of
from ehrcommerce.sandbox.ehr.fhir_errors import FhirRefusal, NotAllowed, NotJson, NotSignedIn, WrongVersion
from ehrcommerce.sandbox.ehr.fhir_interactions import Ask, Reply, perform, refused
from ehrcommerce.sandbox.ehr.fhir_json import Json
from ehrcommerce.sandbox.ehr.models import AccessToken
from ehrcommerce.sandbox.ehr.surroundings import adopt, here

FHIR_JSON = "application/fhir+json; charset=utf-8"
JSON_TYPES = ("application/fhir+json", "application/json")
FORM = "application/x-www-form-urlencoded"


@csrf_exempt
def base(request: HttpRequest) -> HttpResponseBase:
    """POST of a batch or transaction; GET of a page that is named at the root (`_getpages`)."""
    return _answer(request, "")


@csrf_exempt
def resource(request: HttpRequest, path: str) -> HttpResponseBase:
    """Everything below a type."""
    return _answer(request, path)


def _answer(request: HttpRequest, path: str) -> HttpResponseBase:
    token = token_of(request.headers.get("Authorization", ""))
    adopt(token.launch if token else None)
    why_not = conformance.refused(conformance.of_fhir(request, token))
    if limited := rate_limit.reached("fhir"):
        return limited
    return answers.given("fhir_answer", request, lambda: _made(request, path, token, why_not), _traits(request, path))


def _traits(request: HttpRequest, path: str) -> answers.Traits:
    parts = path.strip("/").split("/")
    if not path:
        return answers.Traits(interaction="search" if request.method == "GET" else "batch")
    if request.method == "PUT":
        return answers.Traits(type=parts[0], interaction="update")
    if request.method == "POST":
        return answers.Traits(type=parts[0], interaction="search" if parts[-1] == "_search" else "create")
    return answers.Traits(type=parts[0], interaction="read" if len(parts) > 1 else "search")


def _made(request: HttpRequest, path: str, token: AccessToken | None, why_not: str) -> HttpResponse:
    try:
        if why_not:
            raise NotSignedIn(why_not)
        if wrong := simulated.at_fhir():
            raise NotSignedIn(wrong)
        reply = _reply(request, path, access_of(request.headers.get("Authorization", ""), token))
    except FhirRefusal as refusal:
        return _refused(refusal)
    response = HttpResponse(
        reply.text, status=reply.status, content_type=str(here().knobs["fhir_content_type"]), headers=reply.headers
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(refusal: FhirRefusal) -> HttpResponse:
    status = int(here().knobs["stale_status"]) if isinstance(refusal, WrongVersion) else refusal.status
    headers = {**refused(refusal).headers, "Cache-Control": "no-store"}
    return manners.fhir_error(status, refusal.text, code=refusal.code, headers=headers)


def _reply(request: HttpRequest, path: str, access: Access) -> Reply:
    knobs = here().knobs
    at = timezone.now()
    if path or "_getpages" in request.GET:
        ask = _ask(request, path)
        fhir_rules.check(ask, knobs)
        return fhir_tricks.turned(ask, perform(ask, access, knobs, at=at), knobs)
    if request.method != "POST":
        raise NotAllowed("POST a batch or a transaction here.")
    if knobs["batch"] == "refuse":
        raise NotAllowed("Batches are not offered.")
    return fhir_batch.run(_body(request), access, knobs, at=at)


def _ask(request: HttpRequest, path: str) -> Ask:
    query = request.META.get("QUERY_STRING", "")
    if not path:
        token = request.GET["_getpages"]
        return Ask("GET", fhir_search.type_of_page(token), urlencode({"_page": token}), request.headers)
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
