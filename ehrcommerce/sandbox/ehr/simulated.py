"""The errors that the public SMART launcher simulates, by its own names and with its own statuses: it writes 401 beside
`invalid_scope` and `invalid_grant` as well, and 403 beside an expired refresh token
(https://github.com/smart-on-fhir/smart-launcher-v2)."""

from typing import Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidScopeError
from django.http import HttpRequest, HttpResponse, JsonResponse

from ehrcommerce.sandbox.ehr.surroundings import here

ANY: Final = ("authorization_code", "refresh_token", "client_credentials")
AT_TOKEN: Final[dict[str, tuple[tuple[str, ...], int, str]]] = {
    "token_invalid_token": (ANY, 401, "invalid_client"),
    "token_expired_refresh_token": (("refresh_token",), 403, "invalid_grant"),
    "token_invalid_scope": (("client_credentials",), 401, "invalid_scope"),
}
ABOUT_STATEMENTS: Final = ("token_expired_registration_token", "token_invalid_jti")
REQUESTS: Final = {"request_invalid_token": "Invalid token", "request_expired_token": "Token expired"}


def at_authorize() -> OAuth2Error | None:
    """The error that goes back to the client by redirect."""
    match here().knobs["simulated_error"]:
        case "auth_invalid_client_id":
            error = OAuth2Error(description="Simulated invalid client_id parameter error")
            error.error = "invalid_client"
            return error
        case "auth_invalid_scope":
            return InvalidScopeError()
    return None


def on_a_page() -> str:
    """Why the sign-in ends on a page of the EHR: a redirect address that is not registered is not gone to."""
    wrong = here().knobs["simulated_error"] == "auth_invalid_redirect_uri"
    return "Simulated invalid redirect_uri parameter error" if wrong else ""


def at_token(request: HttpRequest) -> HttpResponse | None:
    """The refusal of the token endpoint, where this grant and this way of signing in are meant."""
    wish, signed = str(here().knobs["simulated_error"]), "client_assertion" in request.POST
    grants, status, error = AT_TOKEN.get(wish, ((), 0, ""))
    if request.POST.get("grant_type") in grants:
        return _refusal(status, error)
    if (wish in ABOUT_STATEMENTS and signed) or (wish == "auth_invalid_client_secret" and not signed):
        return _refusal(401, "invalid_client")
    return None


def _refusal(status: int, error: str) -> HttpResponse:
    return JsonResponse({"error": error, "error_description": "Simulated error"}, status=status)


def at_fhir() -> str:
    """Why a FHIR request is not signed in, "" where it is."""
    return REQUESTS.get(str(here().knobs["simulated_error"]), "")
