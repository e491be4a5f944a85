"""Steering the EHR for tests: launches without pages, resources as they are, users, clients, knobs."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.sandbox.ehr import fhir_json, fhir_store, launches, signing_in
from ehrcommerce.sandbox.ehr.fhir_views import FHIR_JSON
from ehrcommerce.sandbox.ehr.models import Client, EhrUser, Knobs, Resource
from ehrcommerce.sandbox.ehr.seeding import DEMO_CLIENT
from ehrcommerce.sandbox.journal.control import json_body, steered

CLIENT_FIELDS = ("name", "auth_method", "jwks_uri", "jwks", "redirect_uris", "launch_url", "scope", "grant_types")


@steered
@require_http_methods(["POST"])
def launch(request: HttpRequest) -> HttpResponse:
    """What a press of the app's button would do: {"patient", "user", "orders"?, "client_id"?}."""
    wish = json_body(request)
    user = EhrUser.objects.filter(username=wish.get("user", "ada")).first()
    if user is None or not Resource.objects.filter(type="Patient", fhir_id=wish.get("patient")).exists():
        raise ValueError("user and patient exist")
    begun, url = launches.begin(
        user=user,
        patient=wish["patient"],
        orders=list(wish.get("orders", [])),
        at=timezone.now(),
        client_id=wish.get("client_id", DEMO_CLIENT),
    )
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": signing_in.cookie_value(user)}
    return JsonResponse({"launch": begun.value, "url": url, "cookie": cookie})


@steered
@require_http_methods(["GET", "POST"])
def fhir(request: HttpRequest) -> HttpResponse:
    """POST {"resources": [...], "delete": ["Type/id"]} writes as is; GET ?type=&patient= lists."""
    if request.method == "POST":
        return _written(request)
    rows = Resource.objects.filter(deleted=False).order_by("id")
    if kind := request.GET.get("type"):
        rows = rows.filter(type=kind)
    if patient := request.GET.get("patient"):
        rows = rows.filter(patient=patient)
    texts = ",".join(rows.values_list("text", flat=True))
    return HttpResponse(f'{{"resources":[{texts}]}}', content_type=FHIR_JSON)


def _written(request: HttpRequest) -> HttpResponse:
    wish = fhir_json.parse_object(request.body)
    at = timezone.now()
    saved = [fhir_store.save(_named(resource), at=at).row for resource in wish.get("resources", [])]
    for reference in wish.get("delete", []):
        fhir_store.delete(*reference.split("/", 1), at=at)
    return JsonResponse({"resources": [{"reference": row.reference, "versionId": row.version} for row in saved]})


def _named(resource: Any) -> fhir_json.Json:
    if not isinstance(resource, dict) or not resource.get("id") or resource.get("resourceType") not in fhir_store.TYPES:
        raise ValueError("each resource has a resourceType that is served here, and an id")
    return resource


@steered
@require_http_methods(["POST"])
def users(request: HttpRequest) -> HttpResponse:
    """{"username", "password"?, "name"?, "fhir_user"?}: a clinician who can sign in."""
    wish = json_body(request)
    user = upsert_user(**wish)
    return JsonResponse({"username": user.username, "sub": user.subject, "fhirUser": user.fhir_user})


def upsert_user(
    *, username: str, password: str = "demo", name: str = "", fhir_user: str = ""
) -> EhrUser:  # the demo's open password
    """The clinician of this name, made or brought up to date."""
    user = EhrUser.objects.filter(username=username).first() or EhrUser(username=username)
    user.name = name or user.name or username.title()
    user.fhir_user = fhir_user or user.fhir_user or f"Practitioner/{username}"
    user.set_password(password)
    user.save()
    return user


@steered
@require_http_methods(["POST"])
def clients(request: HttpRequest) -> HttpResponse:
    """{"client_id", "secret"?, "jwks"?, "redirect_uris"?, ...}: a registered app."""
    wish = json_body(request)
    client = Client.objects.filter(client_id=wish["client_id"]).first() or Client(client_id=wish["client_id"])
    for name in CLIENT_FIELDS:
        if name in wish:
            setattr(client, name, wish[name])
    if wish.get("secret"):
        client.set_secret(wish["secret"])
    client.save()
    return JsonResponse({"client_id": client.client_id})


@steered
@require_http_methods(["GET", "POST", "DELETE"])
def knobs(request: HttpRequest) -> HttpResponse:
    """POST turns the named knobs, DELETE turns all of them back."""
    if request.method == "DELETE":
        Knobs.objects.all().delete()
    if request.method == "POST":
        return JsonResponse(Knobs.turn(json_body(request)))
    return JsonResponse(Knobs.current())
