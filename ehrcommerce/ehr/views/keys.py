"""The public key set that EHRs fetch to check our signatures."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from ehrcommerce.ehr import keys


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """Without sign-in, cacheable for an hour: a new key is published a day before it signs."""
    return JsonResponse(
        keys.public_set(),
        headers={"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"},
    )
