"""The endpoints of the authorization server.

/auth/authorize answers at once when the launch belongs to the clinician who is signed in: the EHR has already asked
whatever it wanted to ask. Without a sign-in it shows the EHR's own page first, without a launch a choice of patients.
"""

from typing import Any, Final
from urllib.parse import urlencode

from authlib.integrations.django_oauth2.requests import DjangoOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from ehrcommerce.sandbox.ehr import answers, conformance, rate_limit, simulated
from ehrcommerce.sandbox.ehr.authorization import server
from ehrcommerce.sandbox.ehr.models import AccessToken, AuthorizationCode, EhrUser, Launch
from ehrcommerce.sandbox.ehr.models.oauth import digest
from ehrcommerce.sandbox.ehr.signing_in import signed_in
from ehrcommerce.sandbox.ehr.signing_keys import public_keys
from ehrcommerce.sandbox.ehr.surroundings import adopt, here

SCRIPT: Final = "<script>alert('error')</script>"


@csrf_exempt
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponseBase:
    """The authorization endpoint."""
    fields = request.GET if request.method == "GET" else request.POST
    adopt(Launch.find(fields.get("launch", ""), profile=here().profile, at=timezone.now()))
    if request.method not in here().knobs["authorize_methods"]:
        return HttpResponseNotAllowed(here().knobs["authorize_methods"])
    why_not = conformance.refused(conformance.of_authorize(request))
    return answers.given("authorize_answer", request, lambda: _authorized(request, why_not))


def _authorized(request: HttpRequest, why_not: str) -> HttpResponse:
    user = signed_in(request)
    try:
        grant = server().get_consent_grant(request, end_user=user)
    except OAuth2Error as error:
        return _refused(request, error)
    if why_not:
        return _sent_back(grant, InvalidRequestError(description=why_not))
    if shown := simulated.on_a_page():
        return render(
            request, "sandbox/authorize_refused.html", {"error": "invalid_request", "description": shown}, status=400
        )
    if (simulation := simulated.at_authorize()) is not None:
        return _sent_back(grant, simulation)
    if wish := here().knobs["authorize_error"]:
        return _sent_back(grant, _wished_error(wish))
    if user is None and _cookie_was_withheld(request):
        return render(request, "sandbox/authorize_again.html", {"address": _as_get(request)})
    if user is None:
        return redirect(f"{reverse('ehr-login')}?{urlencode({'next': _as_get(request)})}")
    return _answered(request, grant, user)


def _wished_error(wish: Any) -> OAuth2Error:
    named = {"error": wish} if isinstance(wish, str) else wish
    error = OAuth2Error(description=named.get("error_description", SCRIPT), uri=named.get("error_uri"))
    error.error = named["error"]
    return error


def _cookie_was_withheld(request: HttpRequest) -> bool:
    """In a frame, browsers keep a Lax cookie back when another site leads here; asked from this site they send it."""
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Dest") == "iframe"


def _as_get(request: HttpRequest) -> str:
    """The same authorization request as an address, to come back to."""
    fields = request.GET if request.method == "GET" else request.POST
    return f"{request.path}?{fields.urlencode()}"


def _answered(request: HttpRequest, grant: Any, user: EhrUser) -> HttpResponse:
    launch_value = grant.request.payload.data.get("launch")
    picked = here().knobs["picks"]
    if not launch_value and not picked:
        return redirect(f"{reverse('ehr-pick')}?{urlencode({'next': _as_get(request)})}")
    launch = _picked(user, picked) if not launch_value else here().launch
    if launch is None:
        why = "The launch is unknown or too old. Open the app from the chart again."
        return _sent_back(grant, InvalidRequestError(description=why))
    if launch.user_id != user.pk:
        return _sent_back(grant, AccessDeniedError(description="The launch belongs to another user."))
    oauth_request: DjangoOAuth2Request = grant.request
    oauth_request.smart_launch = launch
    response: HttpResponse = server().create_authorization_response(oauth_request, grant_user=user, grant=grant)
    return response


def _picked(user: EhrUser, patient: str) -> Launch:
    """Outside a chart, where the EHR itself knows the patient."""
    return Launch.begin(user=user, patient=patient, orders=[], at=timezone.now(), profile=here().profile)


def _sent_back(grant: Any, error: OAuth2Error) -> HttpResponse:
    error.redirect_uri, error.state = grant.redirect_uri, grant.request.payload.state
    response: HttpResponse = server().handle_error_response(grant.request, error)
    return response


def _refused(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """By redirect where client and redirect URI are known to belong together, else as a page."""
    if getattr(error, "redirect_uri", None):
        response: HttpResponse = server().handle_error_response(None, error)
        return response
    why = {"error": error.error, "description": error.get_error_description()}
    return render(request, "sandbox/authorize_refused.html", why, status=400)


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponseBase:
    """The token endpoint."""
    grant = request.POST.get("grant_type", "")
    _adopt_of_form(request, ("code", "refresh_token"))
    why_not = conformance.refused(conformance.of_token(request))
    if limited := rate_limit.reached("token"):
        return limited
    knob = "refresh_answer" if grant == "refresh_token" and here().knobs["refresh_answer"] else "token_answer"

    def made() -> HttpResponse:
        if why_not:
            return JsonResponse({"error": "invalid_request", "error_description": why_not}, status=400)
        if simulation := simulated.at_token(request):
            return simulation
        response: HttpResponse = server().create_token_response(request)
        return response

    return answers.given(knob, request, made, answers.Traits(grant=grant))


def _adopt_of_form(request: HttpRequest, names: tuple[str, ...]) -> None:
    """The launch that the code or token in a form belongs to."""
    for name in names:
        if value := digest(request.POST.get(name, "")):
            code = AuthorizationCode.objects.select_related("launch").filter(code_sha256=value).first()
            rows = AccessToken.objects.select_related("launch")
            row = code or rows.filter(Q(access_sha256=value) | Q(refresh_sha256=value)).first()
            if row is not None:
                adopt(row.launch)


@csrf_exempt
@require_POST
def revoke(request: HttpRequest) -> HttpResponseBase:
    """RFC 7009."""
    return _endpoint("revocation", request)


@csrf_exempt
@require_POST
def introspect(request: HttpRequest) -> HttpResponseBase:
    """RFC 7662."""
    return _endpoint("introspection", request)


def _endpoint(name: str, request: HttpRequest) -> HttpResponseBase:
    _adopt_of_form(request, ("token",))
    return answers.given(f"{name}_answer", request, lambda: server().create_endpoint_response(name, request))


def jwks(request: HttpRequest) -> HttpResponseBase:
    """The public keys of the id_tokens."""
    headers = {"Cache-Control": "public, max-age=300"}
    return answers.given("jwks_answer", request, lambda: JsonResponse(public_keys(), headers=headers))
