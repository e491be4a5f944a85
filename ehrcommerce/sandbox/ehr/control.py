"""Steering the EHR for tests: launches without pages, resources as they are, users, clients, profiles, knobs."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ehrcommerce.sandbox.ehr import counting, fhir_json, fhir_store, launches, signing_in, surroundings
from ehrcommerce.sandbox.ehr import knobs as every_knob
from ehrcommerce.sandbox.ehr import profiles as every_profile
from ehrcommerce.sandbox.ehr.fhir_views import FHIR_JSON
from ehrcommerce.sandbox.ehr.models import Client, EhrUser, Knobs, Profile, Resource
from ehrcommerce.sandbox.ehr.seeding import DEMO_CLIENT
from ehrcommerce.sandbox.journal.control import json_body, steered
from ehrcommerce.sandbox.journal.strangers import stranger_origin

LAUNCH_FIELDS = {"patient", "user", "orders", "client_id", "profile", "knobs", "encounter", "launch"}
CLIENT_FIELDS = ("name", "auth_method", "jwks_uri", "jwks", "redirect_uris", "launch_url", "scope", "grant_types")


@steered
@require_http_methods(["POST"])
def launch(request: HttpRequest) -> HttpResponse:
    """What a press of the app's button would do.

    {"patient", "user"?, "orders"?, "client_id"?, "profile"?, "knobs"?, "encounter"?, "launch"?}
    """
    wish = json_body(request)
    user = EhrUser.objects.filter(username=wish.get("user", "ada")).first()
    if user is None or not Resource.objects.filter(type="Patient", fhir_id=wish.get("patient")).exists():
        raise ValueError("user and patient exist")
    profile = str(wish.get("profile", ""))
    if strange := set(wish) - LAUNCH_FIELDS:
        raise ValueError(f"unknown keys: {', '.join(sorted(strange))}")
    iss = _surroundings(profile).fhir_base
    begun, url = launches.begin(
        user=user,
        patient=wish["patient"],
        orders=list(wish.get("orders", [])),
        at=timezone.now(),
        client_id=wish.get("client_id", DEMO_CLIENT),
        encounter=str(wish.get("encounter", "")),
        profile=profile,
        knobs=every_knob.checked(wish.get("knobs", {})),
        shown=str(wish.get("launch", "")),
    )
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": signing_in.cookie_value(user)}
    return JsonResponse({"launch": begun.text, "url": url, "cookie": cookie, "iss": iss})


def _surroundings(profile: str) -> surroundings.Surroundings:
    try:
        return surroundings.of_profile(profile)
    except every_profile.NoProfile as missing:
        raise ValueError(f"there is no profile {profile!r}; POST /control/profiles makes one") from missing


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
@require_http_methods(["GET", "POST", "PATCH", "DELETE"])
def profiles(request: HttpRequest) -> HttpResponse:
    """POST {"name", "vendor"?, "knobs"?} makes one anew, PATCH {"name", "knobs"} turns more, DELETE {"name"} removes."""
    if request.method == "GET":
        names = Profile.objects.order_by("name").values_list("name", flat=True)
        vendors = [{"name": name, **vendor} for name, vendor in every_profile.vendors().items()]
        shown = {"profiles": list(map(_profile, names)), "vendors": vendors, "knobs": every_knob.described()}
        return JsonResponse(shown)
    wish = json_body(request)
    name, wishes = str(wish.pop("name", "")), wish.pop("knobs", {})
    vendor = str(wish.pop("vendor", ""))
    if wish:
        raise ValueError(f"unknown keys: {', '.join(sorted(wish))}")
    if request.method == "DELETE":
        Profile.objects.filter(name=name).delete()
        return HttpResponse(status=204)
    if request.method == "PATCH":
        every_profile.turn(name=name, wishes=wishes)
    else:
        every_profile.make(name=name, vendor=vendor, wishes=wishes)
        counting.forget(f"{name}|")
    return JsonResponse(_profile(name))


def _profile(name: str) -> dict[str, Any]:
    around = surroundings.of_profile(name)
    row = Profile.objects.get(name=name)
    endpoints = {each: f"{around.auth}/{each}" for each in ("authorize", "token", "introspect", "revoke")}
    return {
        "name": name,
        "vendor": row.vendor,
        "knobs": every_profile.knobs_of(name),
        "fhir_base": around.fhir_base,
        "issuer": around.issuer,
        "smart_configuration": f"{around.fhir_base}/.well-known/smart-configuration",
        "openid_configuration": f"{around.issuer.rstrip('/')}/.well-known/openid-configuration",
        "jwks_uri": f"{around.auth}/jwks",
        "stranger": stranger_origin(),
        **endpoints,
    }


@steered
@require_http_methods(["GET", "POST", "DELETE"])
def knobs(request: HttpRequest) -> HttpResponse:
    """POST turns the named knobs, DELETE turns all of them back."""
    if request.method == "DELETE":
        Knobs.objects.all().delete()
    if request.method == "POST":
        return JsonResponse(Knobs.turn(json_body(request)))
    return JsonResponse(Knobs.current())
