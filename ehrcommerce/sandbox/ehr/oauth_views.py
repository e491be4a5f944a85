"""The endpoints of the authorization server.

/auth/authorize answers at once when the launch belongs to the clinician who is signed in: the EHR has already asked
whatever it wanted to ask. Without a sign-in it shows the EHR's own page first, without a launch a choice of patients.
"""

from typing import Any
from urllib.parse import urlencode

from authlib.integrations.django_oauth2.requests import DjangoOAuth2Request
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from ehrcommerce.sandbox.ehr.authorization import server
from ehrcommerce.sandbox.ehr.id_token import public_keys
from ehrcommerce.sandbox.ehr.models import EhrUser, Launch
from ehrcommerce.sandbox.ehr.signing_in import signed_in


@csrf_exempt
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization endpoint."""
    user = signed_in(request)
    try:
        grant = server().get_consent_grant(request, end_user=user)
    except OAuth2Error as error:
        return _refused(request, error)
    if user is None and _cookie_was_withheld(request):
        return render(request, "sandbox/authorize_again.html", {"address": _as_get(request)})
    if user is None:
        return redirect(f"{reverse('ehr-login')}?{urlencode({'next': _as_get(request)})}")
    launch_value = grant.request.payload.data.get("launch")
    if not launch_value:
        return redirect(f"{reverse('ehr-pick')}?{urlencode({'next': _as_get(request)})}")
    return _answered(grant, user, launch_value)


def _cookie_was_withheld(request: HttpRequest) -> bool:
    """In a frame, browsers keep a Lax cookie back when another site leads here; asked from this site they send it."""
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Dest") == "iframe"


def _as_get(request: HttpRequest) -> str:
    """The same authorization request as an address, to come back to."""
    fields = request.GET if request.method == "GET" else request.POST
    return f"{request.path}?{fields.urlencode()}"


def _answered(grant: Any, user: EhrUser, launch_value: str) -> HttpResponse:
    launch = Launch.objects.filter(value=launch_value, expires_at__gt=timezone.now()).first()
    if launch is None:
        return _sent_back(
            grant, InvalidRequestError, "The launch is unknown or too old. Open the app from the chart again."
        )
    if launch.user_id != user.pk:
        return _sent_back(grant, AccessDeniedError, "The launch belongs to another user.")
    oauth_request: DjangoOAuth2Request = grant.request
    oauth_request.smart_launch = launch
    response: HttpResponse = server().create_authorization_response(oauth_request, grant_user=user, grant=grant)
    return response


def _sent_back(grant: Any, kind: type[OAuth2Error], why: str) -> HttpResponse:
    error = kind(description=why, redirect_uri=grant.redirect_uri, state=grant.request.payload.state)
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
def token(request: HttpRequest) -> HttpResponse:
    """The token endpoint."""
    response: HttpResponse = server().create_token_response(request)
    return response


@csrf_exempt
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """RFC 7009."""
    response: HttpResponse = server().create_endpoint_response("revocation", request)
    return response


@csrf_exempt
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """RFC 7662."""
    response: HttpResponse = server().create_endpoint_response("introspection", request)
    return response


def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys of the id_tokens."""
    return JsonResponse(public_keys(), headers={"Cache-Control": "public, max-age=300"})
